// Command worker processes the shards of this pod's work queue, and journals what it served when.
//
// The sidecar tells which shards this pod may serve, and until when. A goroutine per shard looks before each piece of
// work. What has to stop is finished, and then confirmed, so that the next pod need not wait for the deadline.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "cairn.dev/clients/go/cairnv1"
)

const (
	// How long one piece of work takes. Far below the margin of 2 s after a deadline, in which it may end.
	piece = 20 * time.Millisecond
	// How long to wait before the sidecar is asked again, for example while it restarts.
	retry = 200 * time.Millisecond
)

var errLaterOwner = errors.New("a later owner has been here")

// boottime is the clock of all deadlines, in nanoseconds. It goes on while the machine sleeps.
func boottime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		log.Fatalf("cannot read CLOCK_BOOTTIME: %v", err)
	}
	return now.Nano()
}

// fence grows from owner to owner of a shard.
type fence struct{ epoch, revision int64 }

func (f fence) String() string { return fmt.Sprintf("%d-%d", f.epoch, f.revision) }

func (f fence) less(other fence) bool {
	return f.epoch < other.epoch || f.epoch == other.epoch && f.revision < other.revision
}

// journal has lines `<CLOCK_BOOTTIME ns> serve|stop <shard> <fence>`.
type journal struct{ file *os.File }

func (j journal) write(what string, shard uint32, by fence) {
	// One write for each line, also when several goroutines write.
	if _, err := fmt.Fprintf(j.file, "%d %s %d %s\n", boottime(), what, shard, by); err != nil {
		log.Fatalf("cannot write the journal: %v", err)
	}
}

// queue is a counter per shard, in files that any pod can write. A file refuses smaller fences than the one it has.
type queue string

// process does one piece of work.
func (q queue) process(shard uint32, by fence) error {
	path := filepath.Join(string(q), strconv.FormatUint(uint64(shard), 10))
	var last fence
	var count int64
	switch text, err := os.ReadFile(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if _, err := fmt.Sscan(string(text), &last.epoch, &last.revision, &count); err != nil {
			return err
		}
	}
	if by.less(last) {
		return errLaterOwner
	}
	time.Sleep(piece)
	text := fmt.Sprintf("%d %d %d\n", by.epoch, by.revision, count+1)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// worker serves what the last event named, until the deadline that it told.
type worker struct {
	queue   queue
	journal journal
	// Closed once the shard's goroutine has ended. Only for the goroutine that applies events.
	running map[uint32]chan struct{}

	mu       sync.Mutex
	grants   map[uint32]fence
	deadline int64
}

// apply takes an event up. It returns the stop ids that can be confirmed, after their work has ended.
func (w *worker) apply(shards *pb.Shards) []string {
	grants := make(map[uint32]fence)
	for _, shard := range shards.GetShards() {
		grants[shard] = fence{shards.GetEpoch(), shards.GetFences()[shard]}
	}
	w.mu.Lock()
	before := w.grants
	w.grants, w.deadline = maps.Clone(grants), shards.GetValidUntilBoottimeNs()
	w.mu.Unlock()
	for shard, by := range before {
		if grants[shard] != by {
			w.wait(shard)
		}
	}
	for shard, by := range grants {
		if ended := w.running[shard]; ended != nil {
			select {
			case <-ended:
			default:
				continue
			}
		}
		ended := make(chan struct{})
		w.running[shard] = ended
		go func() {
			defer close(ended)
			w.serve(shard, by)
		}()
	}
	var stops []string
	for _, stopping := range shards.GetStopping() {
		w.wait(stopping.GetShard())
		stops = append(stops, stopping.GetStop())
	}
	return stops
}

func (w *worker) mayServe(shard uint32, by fence) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.grants[shard] == by && boottime() < w.deadline
}

func (w *worker) serve(shard uint32, by fence) {
	if !w.mayServe(shard, by) {
		return
	}
	w.journal.write("serve", shard, by)
	defer func() { w.journal.write("stop", shard, by) }()
	for w.mayServe(shard, by) {
		if err := w.queue.process(shard, by); err != nil {
			log.Printf("shard %d: %v", shard, err)
			return
		}
	}
}

func (w *worker) wait(shard uint32) {
	if ended := w.running[shard]; ended != nil {
		<-ended
		delete(w.running, shard)
	}
}

// follow applies the sidecar's events until the stream ends. It returns where the next stream goes on.
func follow(ctx context.Context, sidecar pb.CoordinationClient, w *worker, after string) (string, error) {
	events, err := sidecar.WatchShards(ctx, &pb.WatchRequest{After: after})
	if err != nil {
		return after, err
	}
	for {
		event, err := events.Recv()
		if err != nil {
			return after, err
		}
		after = event.GetId()
		if stops := w.apply(event.GetShards()); len(stops) > 0 {
			if _, err := sidecar.Stopped(ctx, &pb.StoppedRequest{Stops: stops}); err != nil {
				return after, err
			}
		}
	}
}

func main() {
	target := flag.String("target", "unix:/var/run/cairn/cairn.sock", "the sidecar, as gRPC names it")
	directory := flag.String("queue", "", "directory of the work queue")
	path := flag.String("journal", "", "file that says what was served when")
	flag.Parse()

	file, err := os.OpenFile(*path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatalf("cannot open the journal: %v", err)
	}
	connection, err := grpc.NewClient(*target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatalf("cannot use this target: %v", err)
	}
	defer connection.Close()
	sidecar := pb.NewCoordinationClient(connection)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	w := &worker{queue: queue(*directory), journal: journal{file}, running: make(map[uint32]chan struct{})}
	for after := ""; ctx.Err() == nil; {
		if after, err = follow(ctx, sidecar, w, after); ctx.Err() == nil {
			log.Printf("the sidecar does not answer: %v", err)
		}
		// Until the deadline, the goroutines go on by what was told last.
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
	w.apply(&pb.Shards{})
}
