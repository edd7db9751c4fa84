package chaincode

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/samples"
)

// sampleModule is the module path inside a sample's package: the program's own, so
// that the source needs no change.
const sampleModule = "github.com/fabriscope/fabriscope"

// SampleNames lists the sample chaincodes.
func SampleNames() []string { return samples.Names() }

// PackageSample makes a package of a sample's source: a complete Go module with one
// main package, without the modules it depends on. The same label gives the same
// bytes. A Host recognises the source and runs the sample that is inside the program.
func PackageSample(name, label string) ([]byte, error) {
	files, err := sampleFiles(name)
	if err != nil {
		return nil, err
	}
	code, err := archive(files)
	if err != nil {
		return nil, err
	}
	return build(metadata{Type: TypeGo, Path: sampleModule, Label: label}, code)
}

const sampleMain = `// Command %[1]s runs the sample chaincode %[1]s.
package main

import (
	"fmt"
	"os"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"%[2]s/chaincode/samples/%[1]s"
)

func main() {
	if err := shim.Start(%[1]s.New()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// sampleFiles gives the files of a sample's code archive in their order.
func sampleFiles(name string) ([]entry, error) {
	if _, ok := samples.ByName(name); !ok {
		return nil, fmt.Errorf("there is no sample chaincode %q; there are %s", name, strings.Join(samples.Names(), ", "))
	}
	files := []entry{{"src/main.go", fmt.Appendf(nil, sampleMain, name, sampleModule)}}
	for from, to := range map[string]string{"package.mod": "src/go.mod", "package.sum": "src/go.sum"} {
		data, err := samples.Source.ReadFile(from)
		if err != nil {
			return nil, err
		}
		files = append(files, entry{to, data})
	}
	for _, dir := range []string{name, "sample"} {
		err := fs.WalkDir(samples.Source, dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := samples.Source.ReadFile(path)
			to := "src/chaincode/samples/" + path
			if metadata, ok := strings.CutPrefix(path, dir+"/META-INF/"); ok {
				to = "META-INF/" + metadata
			}
			files = append(files, entry{to, data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	sortFiles(files)
	return files, nil
}

// maxSampleCode is more than any sample's code.tar.gz has: bigger ones need not be
// compared.
const maxSampleCode = 256 << 10

// recogniseSample compares the files of a package with those of each sample. It
// believes nothing that the package says about itself, because a package that merely
// claimed to be a sample would be shown one source and run another.
func recogniseSample(p *Package) string {
	if p.Type != TypeGo || p.Path != sampleModule || len(p.Code) > maxSampleCode {
		return ""
	}
	var files []entry
	err := launch.WalkCode(p.Code, func(f launch.File) error {
		data, err := io.ReadAll(io.LimitReader(f.Data, 8*maxSampleCode))
		files = append(files, entry{f.Name, data})
		return err
	})
	if err != nil {
		return ""
	}
	sortFiles(files)
	got := digest(files)
	for _, name := range samples.Names() {
		if want, err := sampleFiles(name); err == nil && digest(want) == got {
			return name
		}
	}
	return ""
}

func digest(files []entry) [sha256.Size]byte {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %d\n", f.name, len(f.data))
		h.Write(f.data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
