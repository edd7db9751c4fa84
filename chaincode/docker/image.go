package docker

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
)

// repository is the name of all chaincode images; the tag is a hash of the content.
const repository = "fabriscope-chaincode"

// lockImage is held while an image is looked for and made, so that four peers make it
// once.
const lockImage = "image"

// image finds or makes what spec needs, and gives the arguments that come first.
func (r *Runtime) image(ctx context.Context, spec *launch.Spec) (name string, args []string, err error) {
	switch {
	case spec.Sample != "" && !spec.Build:
		if _, ok := samples.ByName(spec.Sample); !ok {
			return "", nil, fmt.Errorf("there is no sample %q in this program", spec.Sample)
		}
		path, id, err := r.sampleBinary(ctx)
		if err != nil {
			return "", nil, err
		}
		name := repository + ":samples-" + id
		return name, []string{spec.Sample}, r.ensureImage(ctx, spec, name, func() (string, error) { return path, nil })
	case spec.Type == "golang":
		name := repository + ":" + r.buildKey(spec)
		return name, nil, r.ensureImage(ctx, spec, name, func() (string, error) { return r.binary(ctx, spec) })
	}
	return "", nil, fmt.Errorf("%w: it is of type %s, and Fabriscope builds Go only; run it yourself as a service, and deploy its address "+
		"(fabriscope deploy NAME --address HOST:PORT, or a package of type ccaas)", launch.ErrUnavailable, spec.Type)
}

// sampleBinary gives the path of the samples' executable and a name for its content. The
// embedded one is unpacked once per user: reading it from the program each time would
// bring it into the program's memory.
func (r *Runtime) sampleBinary(ctx context.Context) (path, id string, err error) {
	if r.cfg.Samples != "" {
		f, err := os.Open(r.cfg.Samples)
		if err != nil {
			return "", "", err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return "", "", err
		}
		id, err := bundle.Identify(io.NewSectionReader(f, 0, info.Size()))
		return r.cfg.Samples, id, err
	}
	return bundle.Unpack(ctx, r.cfg.CacheDir)
}

// ensureImage makes the image of the executable that binary gives, if it is not there.
func (r *Runtime) ensureImage(ctx context.Context, spec *launch.Spec, name string, binary func() (string, error)) error {
	r.mu.Lock()
	r.images[name] = true
	r.mu.Unlock()
	if there, err := r.hasImage(ctx, spec, name); there || err != nil {
		return err
	}
	path, err := binary() // may compile: not under the lock of all images
	if err != nil {
		return err
	}
	lock, err := r.cache.Lock(ctx, lockImage)
	if err != nil {
		return err
	}
	defer lock.Close()
	if there, err := r.hasImage(ctx, spec, name); there || err != nil {
		return err
	}
	begin := time.Now()
	if err := r.importBinary(ctx, name, path); err != nil {
		return err
	}
	spec.Tell(launch.StepImage, name+" made in "+time.Since(begin).Round(time.Millisecond).String())
	return nil
}

func (r *Runtime) hasImage(ctx context.Context, spec *launch.Spec, name string) (there bool, err error) {
	e := r.engine
	err = e.call(ctx, callLimit, "look for the image "+name, func(ctx context.Context) error {
		_, err := e.ImageInspect(ctx, name)
		if errdefs.IsNotFound(err) {
			return nil
		}
		there = err == nil
		return err
	})
	if there {
		spec.Tell(launch.StepImage, name+" is there")
	}
	return there, err
}

// importBinary makes an image whose only file is the executable at path.
func (r *Runtime) importBinary(ctx context.Context, name, path string) error {
	if err := mustBeStatic(path); err != nil {
		return err
	}
	return r.engine.importImage(ctx, name, r.owner.labels(kindImage), func(tw *tar.Writer) error {
		return addFile(tw, path, strings.TrimPrefix(binaryPath, "/"), 0o755)
	})
}

// importImage makes an image of the tar archive that write writes.
func (e *engine) importImage(ctx context.Context, name string, labels map[string]string, write func(*tar.Writer) error) error {
	pr, pw := io.Pipe()
	go func() {
		tw := tar.NewWriter(pw)
		err := write(tw)
		if err == nil {
			err = tw.Close()
		}
		pw.CloseWithError(err)
	}()
	defer pr.Close() // lets the writer end if the engine has stopped to read
	var changes []string
	for k, v := range labels {
		changes = append(changes, fmt.Sprintf("LABEL %s=%q", k, v))
	}
	return e.call(ctx, copyLimit, "make the image "+name, func(ctx context.Context) error {
		answer, err := e.ImageImport(ctx, image.ImportSource{Source: pr, SourceName: "-"}, name, image.ImportOptions{Changes: changes})
		if err != nil {
			return err
		}
		return readProgress(answer)
	})
}

// readProgress reads the stream of messages with which the engine answers imports and
// pulls, closes it, and gives the error in it.
func readProgress(answer io.ReadCloser) error {
	defer answer.Close()
	dec := json.NewDecoder(answer)
	for {
		var m struct{ Error string }
		err := dec.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the engine's answer: %w", err)
		case m.Error != "":
			return errors.New(m.Error)
		}
	}
}

// removeImages removes the images that this Runtime used, unless somebody else does.
func (r *Runtime) removeImages(ctx context.Context) error {
	r.mu.Lock()
	names := r.images
	r.images = make(map[string]bool)
	r.mu.Unlock()
	var errs []error
	for name := range names {
		errs = append(errs, r.engine.removeImage(ctx, name))
	}
	return errors.Join(errs...)
}

// removeImage removes an image that no container uses; that it is used, or gone, is no error.
func (e *engine) removeImage(ctx context.Context, name string) error {
	return e.settled(ctx, callLimit, "remove the image "+name, func(ctx context.Context) error {
		_, err := e.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true})
		if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
			return nil
		}
		return err
	})
}

// isImageGone tells that a container could not be made because its image is not there.
func isImageGone(err error) bool { return errdefs.IsNotFound(err) }

// addFile puts the file at path into an archive, readable by everybody.
func addFile(tw *tar.Writer, path, name string, mode int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: mode, Size: info.Size(), Typeflag: tar.TypeReg, ModTime: info.ModTime()}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// mustBeStatic refuses an executable that needs a dynamic linker, which an image made of
// one file does not have.
func mustBeStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is not a Linux executable: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not a static executable; build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// buildKey names the result of compiling a package: the same source gives the same name,
// at every peer unless each has to compile for itself.
func (r *Runtime) buildKey(spec *launch.Spec) string {
	h := sha256.New()
	fmt.Fprintf(h, "1\n%s\n%s\n%d\n", r.cfg.Builder, spec.Path, len(spec.Code))
	h.Write(spec.Code)
	if r.cfg.BuildPerPeer {
		fmt.Fprintf(h, "\n%s\n%s", cmp.Or(r.cfg.RunID, r.id), spec.Peer)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
