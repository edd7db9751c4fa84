package chaincode

import (
	"io"
	"path"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// indexFolder is where a package keeps the index definitions of its state database
// (wire.md G.4).
const indexFolder = "META-INF/statedb/couchdb/indexes"

// IndexFile is one index definition of a package.
type IndexFile struct {
	Name string // its path in the code archive
	Data []byte
}

// StateIndexes gives the index definitions for CouchDB that the package brings, by name. Those
// of collections are not among them.
func (p *Package) StateIndexes() ([]IndexFile, error) {
	var files []IndexFile
	err := launch.WalkCode(p.Code, func(f launch.File) error {
		if path.Dir(f.Name) != indexFolder || path.Ext(f.Name) != ".json" {
			return nil
		}
		data, err := io.ReadAll(f.Data)
		files = append(files, IndexFile{Name: f.Name, Data: data})
		return err
	})
	slices.SortFunc(files, func(a, b IndexFile) int { return strings.Compare(a.Name, b.Name) })
	return files, err
}
