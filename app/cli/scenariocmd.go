package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// scenarioNames are the scenarios and lessons that come with the program.
func scenarioNames() []string {
	names := assets.ScenarioNames()
	for _, l := range assets.Lessons() {
		names = append(names, fmt.Sprintf("lesson-%d", l.Number))
	}
	return names
}

func (p *program) run() *cobra.Command {
	var record, page, junitFile, topology, runtime, placement, language string
	var asJSON, list, ask bool
	cmd := &cobra.Command{
		Use:     "run SCENARIO",
		GroupID: "run",
		Short:   "Run a scenario or a lesson: a script that starts a network, uses and breaks it, and says what must hold",
		Long: `Runs a scenario (a .star file or the name of one that comes with the program) on a
real network, prints one line a step, and stops the network again. Exit code 0: all
expectations hold; 1: one does not; 2: the scenario could not run.
docs/SCENARIOS.md describes the functions that a scenario can call.

The eight lessons are scenarios too, lesson-1 to lesson-8. They are made for the window;
here they run through, and --ask lets you answer their questions in the terminal.`,
		Example: `  fabriscope run first-transaction
  fabriscope run two-clients-one-key --record race.fscope
  fabriscope run two-clients-one-key --report race.html
  fabriscope run my-scenario.star --runtime process --json
  fabriscope run my-scenario.star --junit results.xml --report run.html
  fabriscope run lesson-6
  fabriscope run lesson-6 --ask
  fabriscope run lesson-6 --lang de
  fabriscope run --list`,
		Args:              atMost(1),
		ValidArgsFunction: completes(scenarioNames, "star"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(assets.TextLanguages(), language) {
				return fmt.Errorf("--lang %q is not there; use one of %s", language, strings.Join(assets.TextLanguages(), ", "))
			}
			if list {
				return p.listScenarios(language)
			}
			if len(args) == 0 {
				return fmt.Errorf("SCENARIO is missing: name a .star file, a lesson (lesson-1 to lesson-%d) or one of %s",
					len(assets.Lessons()), strings.Join(assets.ScenarioNames(), ", "))
			}
			name, src, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			o := scenario.Options{Runtime: runtime, Placement: placement, Log: p.log(), OnStep: p.stepPrinter(asJSON, language)}
			if topology != "" {
				if o.Topology, err = loadTopology(topology); err != nil {
					return err
				}
			}
			if ask {
				if asJSON {
					return errors.New("--ask and --json exclude each other: a machine answers no questions")
				}
				o.Teacher = newTerminal(p.in, p.out, language).teacher()
				o.OnStep = readerSteps(o.OnStep)
			}
			run := func(record string) error { return p.runScenario(cmd, name, src, record, o) }
			if junitFile == "" {
				return p.runAndReport(record, page, run)
			}
			var tests junit
			o.OnStep = tests.note(o.OnStep)
			result := p.runAndReport(record, page, run)
			return errors.Join(result, p.toFile(junitFile, func(w io.Writer) error { return tests.write(w, name, result) }))
		},
	}
	cmd.Flags().StringVar(&record, "record", "", "record everything to this run file (.fscope)")
	cmd.Flags().StringVar(&page, "report", "", "write a page about the run to this file (.html), whether it succeeds or not")
	cmd.Flags().StringVar(&junitFile, "junit", "", "write the steps as a test report for build servers to this file (JUnit XML), whether all hold or not")
	cmd.Flags().StringVar(&topology, "topology", "", "use this topology instead of the scenario's")
	cmd.Flags().StringVar(&runtime, "runtime", "", "where chaincode runs: auto, docker or process")
	cmd.Flags().StringVar(&placement, "placement", "", "inproc or process")
	cmd.Flags().StringVar(&language, "lang", "en", "language of what lessons and scenarios say: "+strings.Join(assets.TextLanguages(), " or "))
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a step")
	cmd.Flags().BoolVar(&list, "list", false, "list the scenarios and lessons that come with the program")
	cmd.Flags().BoolVar(&ask, "ask", false, "ask a lesson's questions here and wait for Enter")
	return cmd
}

func loadScenario(name string) (path string, src []byte, err error) {
	if _, err := os.Stat(name); err == nil {
		if other := session.Recognise(name).Instead(name, session.ScenarioFile); other != "" {
			return "", nil, errors.New(other)
		}
		src, err := scenario.ReadFile(name)
		return name, src, err
	}
	if src, err = assets.Scenario(name); err == nil {
		return name + ".star", src, nil
	}
	if l, err := assets.FindLesson(name); err == nil {
		return l.Name + ".star", l.Source, nil
	}
	return "", nil, fmt.Errorf("%q is neither a file nor a scenario of the program; these are %s, lesson-1 to lesson-%d",
		name, strings.Join(assets.ScenarioNames(), ", "), len(assets.Lessons()))
}

func (p *program) listScenarios(language string) error {
	for _, name := range assets.ScenarioNames() {
		if _, err := fmt.Fprintln(p.out, name); err != nil {
			return err
		}
	}
	for _, l := range assets.Lessons() {
		if _, err := fmt.Fprintf(p.out, "lesson-%d  %s: %s\n", l.Number, l.Title.In(language), l.Question.In(language)); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) runScenario(cmd *cobra.Command, name string, src []byte, record string, o scenario.Options) error {
	if err := scenario.Check(name, src); err != nil {
		return err
	}
	rec, stopRecording, err := p.record(record, &network.Topology{Name: name})
	if err != nil {
		return err
	}
	o.Trace = rec
	err = errors.Join(scenario.Run(cmd.Context(), name, src, o), stopRecording())
	if errors.Is(err, scenario.ErrFailed) {
		return failed(err)
	}
	return err
}

// narrates tells whether a step speaks to the reader.
func narrates(step string) bool {
	switch step {
	case "say", "reveal", "go_on", "ask", "task":
		return true
	}
	return false
}

// stepPrinter prints steps for people or machines.
func (p *program) stepPrinter(asJSON bool, language string) func(scenario.Step) {
	if asJSON {
		enc := json.NewEncoder(p.out)
		return func(s scenario.Step) { _ = enc.Encode(s) }
	}
	return func(s scenario.Step) {
		if s.Text.ID != "" && language != "en" { // What and Result are English
			s.What, s.Result = s.Text.In(language), cmp.Or(s.Outcome.In(language), s.Result)
		}
		switch {
		case s.Name == "chapter" && !s.Failed:
			fmt.Fprintf(p.out, "\n== %s\n", s.What)
		case narrates(s.Name) && !s.Failed:
			if s.What != "" {
				fmt.Fprintf(p.out, "\n      %s\n", s.What)
			}
			if s.Name == "ask" {
				fmt.Fprintf(p.out, "      %s\n", s.Result)
			}
		case s.Name == "progress":
			fmt.Fprintf(p.out, "      %s\n", s.What)
		case s.Failed:
			fmt.Fprintf(p.out, "%4d  FAILED  %s %s: %s\n", s.N, s.Name, s.What, s.Result)
		default:
			text := strings.TrimSpace(s.Name + " " + s.What)
			if s.Result != "" {
				text += ": " + s.Result
			}
			fmt.Fprintf(p.out, "%4d  %-7s %s\n", s.N, fmt.Sprintf("%.0f ms", s.TookMS), text)
		}
	}
}
