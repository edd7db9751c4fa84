package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/network/scenario"
)

// junit collects the steps of a scenario and writes them as the test report that build
// servers read: a suite a scenario, a case a step.
type junit struct {
	began time.Time
	steps []scenario.Step
}

// note is a step's hearer that passes it on.
func (j *junit) note(next func(scenario.Step)) func(scenario.Step) {
	j.began = time.Now()
	return func(s scenario.Step) {
		if s.N > 0 && !narrates(s.Name) && s.Name != "progress" {
			j.steps = append(j.steps, s)
		}
		next(s)
	}
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure"`
	Error   *junitText `xml:"error"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// write writes the report of a scenario that ended with an error or nil. An error that no
// step tells of is a case of its own.
func (j *junit) write(w io.Writer, name string, result error) error {
	suite := junitSuite{Name: name, Time: seconds(time.Since(j.began)), Stamp: j.began.UTC().Format("2006-01-02T15:04:05")}
	for _, s := range j.steps {
		c := junitCase{Class: name, Name: strings.TrimSpace(fmt.Sprintf("line %d: %s %s", s.Line, s.Name, s.What)), Time: seconds(time.Duration(s.TookMS * float64(time.Millisecond)))}
		if s.Failed {
			c.Failure = &junitText{Message: s.Result, Text: fmt.Sprintf("%s, line %d: %s %s: %s", name, s.Line, s.Name, s.What, s.Result)}
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, c)
	}
	if result != nil && suite.Failures == 0 {
		suite.Cases = append(suite.Cases, junitCase{Class: name, Name: "the scenario runs", Time: seconds(0), Error: &junitText{Message: oneLine(result.Error()), Text: result.Error()}})
		suite.Errors++
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return fmt.Errorf("write the test report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
