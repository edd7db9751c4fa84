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

// Lesson is one of the lessons that come with the program: a scenario that teaches. Its
// texts stand in texts, a file for each language.
type Lesson struct {
	Number   int
	Name     string // of the file, such as 6-too-late
	Title    Text   // "Too late"
	Question Text   // "Two correct transactions, one rejected. Which, and why?"
	Minutes  int
	Chapters []Text
	Source   []byte
}

// FullName is how a running lesson is called: "Lesson 6 Too late".
func (l *Lesson) FullName() Text {
	return Text{ID: "lesson.name", Args: map[string]string{"number": strconv.Itoa(l.Number)}, Parts: map[string]string{"title": l.Title.ID}}
}

// Lessons gives all lessons in their order.
func Lessons() []Lesson {
	var out []Lesson
	entries, err := lessons.ReadDir("lessons")
	if err != nil {
		panic("assets: the lessons are not in the program: " + err.Error())
	}
	for _, e := range entries { // in the order of their names, which begin with the number
		name, ok := strings.CutSuffix(e.Name(), ".star")
		if !ok {
			continue
		}
		src, err := lessons.ReadFile(path.Join("lessons", e.Name()))
		if err != nil {
			panic("assets: the lesson " + e.Name() + " is not in the program: " + err.Error())
		}
		out = append(out, readLesson(name, src))
	}
	return out
}

// FindLesson finds a lesson by its number, its name or its title: "6", "lesson-6",
// "6-too-late", "too late", "Zu spät".
func FindLesson(what string) (Lesson, error) {
	word := strings.ToLower(strings.TrimSuffix(what, ".star"))
	word = strings.TrimPrefix(word, "lesson-")
	var known []string
	for _, l := range Lessons() {
		if word == strconv.Itoa(l.Number) || word == l.Name {
			return l, nil
		}
		for language := range allTexts() {
			if word == strings.ToLower(l.Title.In(language)) {
				return l, nil
			}
		}
		known = append(known, fmt.Sprintf("lesson-%d", l.Number))
	}
	return Lesson{}, fmt.Errorf("there is no lesson %q in the program; there are %s", what, strings.Join(known, ", "))
}

var (
	lessonMinutes = regexp.MustCompile(`(?m)^# Minutes: (\d+)$`)
	lessonChapter = regexp.MustCompile(`(?m)^chapter\("(.+)"\)$`)
)

func readLesson(name string, src []byte) Lesson {
	l := Lesson{Name: name, Source: src}
	number, _, _ := strings.Cut(name, "-")
	l.Number, _ = strconv.Atoi(number)
	l.Title, l.Question = Text{ID: "lesson-" + number + ".title"}, Text{ID: "lesson-" + number + ".question"}
	if m := lessonMinutes.FindSubmatch(src); m != nil {
		l.Minutes, _ = strconv.Atoi(string(m[1]))
	}
	for _, m := range lessonChapter.FindAllSubmatch(src, -1) {
		l.Chapters = append(l.Chapters, Text{ID: string(m[1])})
	}
	return l
}
