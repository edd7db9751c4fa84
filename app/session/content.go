package session

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// FileKind is what a file holds.
type FileKind string

// The kinds of files that can be opened.
const (
	TopologyFile FileKind = "topology"
	ScenarioFile FileKind = "scenario"
	RunFile      FileKind = "run"
	BlockFile    FileKind = "blocks"
)

// Content is what a file was recognised as.
type Content struct {
	Kind FileKind // "" if it cannot be opened
	What string   // for people, as in "x.tgz is a chaincode package"
	Use  string   // what it is good for, or how to get at what was meant; "" if nothing is known
}

// maxLook bounds how much of a file is looked at to recognise it.
const maxLook = 1 << 20

// Recognise tells by its content what a file is; where that leaves it open (a text that
// is damaged, a file that cannot be read), its ending tells.
func Recognise(path string) Content {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return recogniseFolder(path)
	}
	head, err := readHead(path)
	if err != nil {
		return byEnding(path)
	}
	c := recogniseBytes(head)
	if c.What == "" {
		c = byEnding(path)
	}
	switch {
	case c.What != "" || c.Kind != "" && utf8.Valid(head):
	case utf8.Valid(head):
		c.What = words.L("a text")
	default:
		c.What = words.L("a file of an unknown kind")
	}
	return c
}

// byEnding is what a file's name says of it.
func byEnding(path string) Content {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return Content{Kind: TopologyFile}
	case ".star":
		return Content{Kind: ScenarioFile}
	case ".fscope":
		return Content{Kind: RunFile}
	case ".block", ".pb", ".blocks":
		return Content{Kind: BlockFile}
	}
	return Content{}
}

// readHead reads the beginning of a file.
func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxLook))
}

func recogniseFolder(path string) Content {
	for _, pattern := range []string{"blockfile_*", "*.block"} {
		if found, err := filepath.Glob(filepath.Join(path, pattern)); err == nil && len(found) > 0 {
			return Content{Kind: BlockFile, What: words.L("a folder with blocks"), Use: words.L("\"fabriscope inspect FILE\" judges them")}
		}
	}
	return Content{What: words.L("a folder"), Use: words.L("name a file in it")}
}

func recogniseBytes(head []byte) Content {
	text := bytes.TrimSpace(head)
	switch {
	case len(text) == 0:
		return Content{What: words.L("empty")}
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")) && len(head) >= 100:
		return recogniseDatabase(binary.BigEndian.Uint32(head[68:]))
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return recogniseGzip(head)
	case bytes.HasPrefix(head, []byte("-----BEGIN ")):
		return Content{What: words.L("a certificate or key (PEM)")}
	case text[0] == '{' || text[0] == '[':
		if c := recogniseJSON(text); c.What != "" {
			return c
		}
	}
	if utf8.Valid(head) && !bytes.ContainsRune(head, 0) {
		return recogniseText(text)
	}
	return recogniseBinary(head)
}

// databases are the marks of this program's SQLite files (PRAGMA application_id).
var databases = map[uint32]func() Content{
	runfile.ApplicationID: func() Content {
		return Content{Kind: RunFile, What: words.L("a recorded run"), Use: words.L("\"fabriscope events FILE\" lists it")}
	},
	0x6673636c: func() Content { // package peer/ledger
		return Content{What: words.L("a peer's ledger"), Use: words.L("\"fabriscope up --dir\" goes on with the folder of its network, \"fabriscope ledger\" mends it")}
	},
	0x66736f72: func() Content { // package orderer/store
		return Content{What: words.L("an ordering node's ledger"), Use: words.L("\"fabriscope up --dir\" goes on with the folder of its network")}
	},
}

func recogniseDatabase(application uint32) Content {
	if known := databases[application]; known != nil {
		return known()
	}
	return Content{What: words.L("a database (SQLite) of another program")}
}

// recogniseGzip looks at what is compressed.
func recogniseGzip(head []byte) Content {
	packed := Content{What: words.L("compressed (gzip)"), Use: words.L("decompress it first")}
	plain, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return packed
	}
	inside, err := io.ReadAll(io.LimitReader(plain, maxLook))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return packed
	}
	archive := tar.NewReader(bytes.NewReader(inside))
	for first := true; ; first = false {
		entry, err := archive.Next()
		if err != nil && first {
			break
		}
		if err != nil {
			return Content{What: words.L("an archive (tar.gz)"), Use: words.L("unpack it first")}
		}
		if strings.TrimPrefix(entry.Name, "./") == "metadata.json" {
			return Content{What: words.L("a chaincode package"), Use: words.L("\"fabriscope deploy NAME --package FILE\" deploys it")}
		}
	}
	if recogniseBinary(inside).Kind == BlockFile {
		return Content{Kind: BlockFile, What: words.L("blocks, compressed"), Use: words.L("\"fabriscope inspect FILE\" judges them")}
	}
	return packed
}

// recogniseJSON tells the forms of JSON that a Fabric network knows apart.
func recogniseJSON(text []byte) Content {
	var object map[string]json.RawMessage
	if !json.Valid(text) {
		return Content{}
	}
	_ = json.Unmarshal(text, &object) // a list leaves it empty
	has := func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(k string) bool { return object[k] == nil })
	}
	encode := func(what, message string) Content {
		return Content{What: what, Use: words.L("\"configtxlator proto_encode --type {{.message}} --input FILE\" gives its bytes", map[string]any{"message": message})}
	}
	switch {
	case has("header", "data", "metadata"):
		return encode(words.L("a block as JSON"), "common.Block")
	case has("payload", "signature"):
		return encode(words.L("an envelope as JSON"), "common.Envelope")
	case has("channel_group"):
		return encode(words.L("a channel configuration as JSON"), "common.Config")
	case has("client", "organizations") || has("peers", "organizations"):
		return Content{What: words.L("a connection profile")}
	case has("organizations") || has("orderers"): // YAML can be written as JSON
		return Content{Kind: TopologyFile, What: words.L("a topology"), Use: words.L("\"fabriscope up FILE\" starts it")}
	}
	return Content{What: words.L("JSON")}
}

// strangers are YAML files of other programs, by a key at their top.
var strangers = map[string]string{"Profiles": "configtx.yaml", "PeerOrgs": "crypto-config.yaml", "OrdererOrgs": "crypto-config.yaml",
	"services": "docker-compose.yaml", "apiVersion": "Kubernetes", "chaincode": "core.yaml", "General": "orderer.yaml"}

// Lines tell what a text is, also where it is damaged: a key at the top of a YAML file,
// something done at the top of a scenario.
var (
	topKey      = regexp.MustCompile(`(?m)^([A-Za-z]\w*):(?:\s|$)`)
	topologyKey = regexp.MustCompile(`(?m)^(organizations|orderers|block|chaincodes|placement):(?:\s|$)`)
	statement   = regexp.MustCompile(`(?m)^(def \w+\(|for \w+ in |(\w+ *= *)?\w+(\.\w+)*\()`)
)

func recogniseText(text []byte) Content {
	keys := topKey.FindAllSubmatch(text, -1)
	for _, key := range keys {
		if name := strangers[string(key[1])]; name != "" {
			return Content{What: words.L("a file of another program ({{.name}})", map[string]any{"name": name})}
		}
	}
	switch {
	case topologyKey.Match(text):
		return Content{Kind: TopologyFile, What: words.L("a topology"), Use: words.L("\"fabriscope up FILE\" starts it")}
	case len(keys) == 0 && statement.Match(text):
		return Content{Kind: ScenarioFile, What: words.L("a scenario"), Use: words.L("\"fabriscope run FILE\" runs it")}
	}
	return Content{}
}

func recogniseBinary(head []byte) Content {
	for _, err := range wire.ReadBlocks(bytes.NewReader(head)) {
		if err == nil || len(head) == maxLook && errors.Is(err, wire.ErrMalformed) && strings.HasPrefix(http.DetectContentType(head), "application/octet-stream") {
			return Content{Kind: BlockFile, What: words.L("blocks"), Use: words.L("\"fabriscope inspect FILE\" judges them")}
		}
		break
	}
	if peek, ok := wire.PeekEnvelope(head); ok && peek.Channel != "" {
		return Content{What: words.L("an envelope (a single transaction, or a channel.tx)"), Use: words.L("name the block that it became a part of")}
	}
	config := &commonpb.Config{}
	if proto.Unmarshal(head, config) == nil && len(config.GetChannelGroup().GetGroups()) > 0 {
		return Content{What: words.L("a channel configuration"), Use: words.L("name the block that it came in")}
	}
	if kind := http.DetectContentType(head); kind != "application/octet-stream" {
		return Content{What: words.L("a file of another program ({{.name}})", map[string]any{"name": kind})}
	}
	return Content{}
}

// insteadOf is the error err of opening a file that should have been of some kind, in better
// words if it is of another.
func insteadOf(wanted FileKind, path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text := Recognise(path).Instead(path, wanted); text != "" {
		return errors.New(text)
	}
	return err
}

// name is what a kind is called where one is asked for.
func (k FileKind) name() string {
	switch k {
	case TopologyFile:
		return words.L("a topology (.yaml)")
	case ScenarioFile:
		return words.L("a scenario (.star)")
	case RunFile:
		return words.L("a run file (.fscope)")
	default:
		return words.L("blocks, as \"peer channel fetch\" writes them")
	}
}

// Instead says, for an error about a file that is not of the kind that was wanted, what
// it is and what to do with it; "" if that is not known, or it is of that kind.
func (c Content) Instead(path string, wanted FileKind) string {
	if c.Kind == wanted || c.What == "" {
		return ""
	}
	what := c.What
	if c.Use != "" {
		what += " (" + strings.ReplaceAll(c.Use, "FILE", path) + ")"
	}
	return words.L("{{.file}} is {{.what}}; name {{.wanted}}", map[string]any{"file": path, "what": what, "wanted": wanted.name()})
}
