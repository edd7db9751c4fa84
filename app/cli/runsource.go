package cli

import "github.com/fabriscope/fabriscope/app/view"

// runSource lets a run file be read where a live trace can be.
type runSource = view.RunSource
