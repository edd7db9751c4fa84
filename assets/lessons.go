package assets

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed lessons
var lessons embed.FS

// Lesson is one of the lessons that come with the program: a scenario that teaches.
// Its title, question and minutes stand in the first comment lines of its source.
type Lesson struct {
	Number   int
	Name     string // of the file, such as 6-too-late
	Title    string // "Too late"
	Question string // "Two correct transactions, one rejected. Which, and why?"
	Minutes  int
	Chapters []string
	Source   []byte
}

// Lessons gives all lessons in their order.
func Lessons() []Lesson {
	var out []Lesson
	entries, err := lessons.ReadDir("lessons")
	if err != nil {
		panic("assets: the lessons are not in the program: " + err.Error())
	}
	for _, e := range entries { // in the order of their names, which begin with the number
		src, err := lessons.ReadFile(path.Join("lessons", e.Name()))
		if err != nil {
			panic("assets: the lesson " + e.Name() + " is not in the program: " + err.Error())
		}
		out = append(out, readLesson(strings.TrimSuffix(e.Name(), ".star"), src))
	}
	return out
}

// FindLesson finds a lesson by its number, its name or its title: "6", "lesson-6",
// "6-too-late", "too late".
func FindLesson(what string) (Lesson, error) {
	word := strings.ToLower(strings.TrimSuffix(what, ".star"))
	word = strings.TrimPrefix(word, "lesson-")
	var known []string
	for _, l := range Lessons() {
		if word == strconv.Itoa(l.Number) || word == l.Name || word == strings.ToLower(l.Title) {
			return l, nil
		}
		known = append(known, fmt.Sprintf("lesson-%d", l.Number))
	}
	return Lesson{}, fmt.Errorf("there is no lesson %q in the program; there are %s", what, strings.Join(known, ", "))
}

var (
	lessonTitle   = regexp.MustCompile(`(?m)^# Lesson (\d+): (.+)$`)
	lessonMinutes = regexp.MustCompile(`(?m)^# Minutes: (\d+)$`)
	lessonChapter = regexp.MustCompile(`(?m)^chapter\("(.+)"\)$`)
)

func readLesson(name string, src []byte) Lesson {
	l := Lesson{Name: name, Source: src}
	text := string(src)
	if m := lessonTitle.FindStringSubmatchIndex(text); m != nil {
		l.Number, _ = strconv.Atoi(text[m[2]:m[3]])
		l.Title = text[m[4]:m[5]]
		next, _, _ := strings.Cut(strings.TrimPrefix(text[m[1]:], "\n"), "\n")
		l.Question = strings.TrimPrefix(next, "# ")
	}
	if m := lessonMinutes.FindStringSubmatch(text); m != nil {
		l.Minutes, _ = strconv.Atoi(m[1])
	}
	for _, m := range lessonChapter.FindAllStringSubmatch(text, -1) {
		l.Chapters = append(l.Chapters, m[1])
	}
	return l
}
