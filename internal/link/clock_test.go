package link

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestTimeoutWithoutHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		begin := time.Now()
		ctx, cancel := n.WithTimeout(t.Context(), "aa", time.Second)
		defer cancel()
		child, cancelChild := context.WithCancel(ctx)
		defer cancelChild()
		<-child.Done()
		if got := time.Since(begin); got != time.Second {
			t.Errorf("ended after %v", got)
		}
		for _, c := range []context.Context{ctx, child} {
			if !errors.Is(c.Err(), context.DeadlineExceeded) {
				t.Errorf("ended with %v", c.Err())
			}
		}
		if len(n.clocks.all) != 0 {
			t.Error("a clock is left")
		}
	})
}

func TestTimeoutIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		parent, cancelParent := context.WithCancel(context.WithValue(t.Context(), streamKey{}, "value"))
		a, cancelA := n.WithTimeout(parent, "aa", time.Second)
		b, cancelB := n.WithTimeout(parent, "aa", time.Second)
		defer cancelB()
		cancelA()
		cancelA()
		if !errors.Is(a.Err(), context.Canceled) || b.Err() != nil || b.Value(streamKey{}) != "value" {
			t.Errorf("after one cancel: %v, %v", a.Err(), b.Err())
		}
		cancelParent()
		synctest.Wait()
		if !errors.Is(b.Err(), context.Canceled) {
			t.Errorf("after the parent's: %v", b.Err())
		}
		n.clocks.stop("aa") // a hold after everybody has gone
		n.clocks.resume("aa")
		n.clocks.resume("aa")
		time.Sleep(time.Minute) // fake time: no timer may come back to life
		if len(n.clocks.all) != 0 {
			t.Error("a clock is left")
		}
	})
}

// Whatever is held when and for how long, a timeout ends after exactly its time
// plus the stretches in which something was held.
func TestTimeoutCountsOnlyFreeTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		allowed := time.Duration(rapid.IntRange(1, 50).Draw(r, "allowed")) * time.Millisecond
		steps := rapid.SliceOfN(rapid.IntRange(-20, 20), 0, 12).Draw(r, "steps")
		synctest.Test(t, func(t *testing.T) {
			n := New(Config{})
			begin := time.Now()
			ctx, cancel := n.WithTimeout(t.Context(), "aa", allowed)
			defer cancel()
			free, held := time.Duration(0), time.Duration(0)
			for _, step := range steps {
				if free >= allowed {
					break
				}
				if step <= 0 { // two messages at once are held as long as one
					n.clocks.stop("aa")
					n.clocks.stop("aa")
					time.Sleep(time.Duration(-step) * time.Millisecond)
					n.clocks.resume("aa")
					n.clocks.resume("aa")
					held += time.Duration(-step) * time.Millisecond
					continue
				}
				pass := min(time.Duration(step)*time.Millisecond, allowed-free)
				time.Sleep(pass)
				free += pass
			}
			<-ctx.Done()
			if got := time.Since(begin); got != allowed+held {
				t.Errorf("ended after %v, want %v + %v", got, allowed, held)
			}
			synctest.Wait()
			if len(n.clocks.all) != 0 {
				t.Error("a clock is left")
			}
		})
	})
}
