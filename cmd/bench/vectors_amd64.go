//go:build goexperiment.simd && amd64

package main

import "simd/archsimd"

// clearVectors puts the processor's wide vector registers out of use, so that
// what is measured next does not pay for who used them last.
func clearVectors() {
	if archsimd.X86.AVX() {
		archsimd.ClearAVXUpperBits()
	}
}
