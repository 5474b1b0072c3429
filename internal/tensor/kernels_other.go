//go:build !goexperiment.simd || !amd64

package tensor

func vectorKernels() []kernel { return nil }
