//go:build !goexperiment.simd || !amd64

package main

// clearVectors does nothing: there is no way to, or no need.
func clearVectors() {}
