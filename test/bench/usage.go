package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, in which /proc counts; it is 100 on every architecture that Go and Debian share.
const ticksPerSecond = 100.0

// treeCPU is the CPU seconds that a process and its descendants have used.
func treeCPU(root int) float64 {
	sum := 0.0
	for _, used := range tree(root) {
		sum += used
	}
	return sum
}

// tree is a process and its descendants, each with the CPU seconds that it has used.
func tree(root int) map[int]float64 {
	parent, used := map[int]int{}, map[int]float64{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold anything; what follows it begins with state and parent.
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(f) < 13 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		parent[pid], _ = strconv.Atoi(f[1])
		used[pid] = (user + system) / ticksPerSecond
	}
	out := map[int]float64{}
	for pid := range used {
		for p := pid; p > 0; p = parent[p] {
			if p == root {
				out[pid] = used[pid]
				break
			}
		}
	}
	return out
}

// machineCPU is the seconds in which all cores together were busy, and those that a hypervisor took.
func machineCPU() (busy, stolen float64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		v, err := strconv.ParseFloat(field, 64)
		switch {
		case err != nil, i == 4, i == 5, i > 8: // its name, idle, waiting for disks, guests (counted as user time)
		case i == 8:
			stolen = v / ticksPerSecond
		default:
			busy += v / ticksPerSecond
		}
	}
	return busy, stolen
}

// residentOf is the resident memory of a process.
func residentOf(pid int) int64 { return kibibytesIn(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") }

// memoryOf is the resident memory of a process and its descendants; what they share is counted once.
func memoryOf(root int) (sum int64) {
	for pid := range tree(root) {
		sum += kibibytesIn(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	}
	return sum
}

// kibibytesIn reads a line of /proc, in bytes.
func kibibytesIn(file, name string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// awaitQuiet returns when the machine is nearly idle, or after a while.
func awaitQuiet(ctx context.Context, patience time.Duration) {
	const look = 200 * time.Millisecond
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; {
		before, _ := machineCPU()
		sleep(ctx, look)
		after, _ := machineCPU()
		if after-before <= noisy*look.Seconds()*float64(runtime.NumCPU()) {
			return
		}
	}
}
