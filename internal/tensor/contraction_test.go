package tensor

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestNoContraction reads the compiler's output for a processor on which Go
// fuses multiplication and addition where the source lets it: in packages whose
// bits are promised, the source must not (DESIGN.md, section 6).
func TestNoContraction(t *testing.T) {
	fused := regexp.MustCompile(`(?m)\(.*/(\w+\.go:\d+)\)\s+(FN?M(?:ADD|SUB)[SD])`)
	for _, pkg := range []string{"tensor/...", "trainer", "engine/..."} {
		t.Run(pkg, func(t *testing.T) {
			build := exec.Command("go", "build", "-gcflags=-S", "-o", os.DevNull, "github.com/koinon/koinon/internal/"+pkg)
			build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOEXPERIMENT=")
			listing, err := build.CombinedOutput()
			if err != nil {
				t.Fatalf("cannot build for arm64: %v\n%s", err, listing[max(0, len(listing)-2000):])
			}
			for _, match := range fused.FindAllSubmatch(listing, -1) {
				t.Errorf("%s: %s rounds once where two roundings are promised: convert the product explicitly", match[1], match[2])
			}
		})
	}
}
