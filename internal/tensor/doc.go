// Package tensor holds koinon's reproducible kernels: float32 arithmetic whose
// every bit is fixed, whatever the processor, vector width, number of threads,
// tile or batch.
//
// One rule gives that. Each output element is a single accumulator, to which
// the terms of its reduction are added in ascending order, each product rounded
// before it is added: acc = acc + float32(x*y). Vector lanes and threads only
// ever span different outputs. Go may contract x*y+z into one rounding; the
// explicit conversion forbids it (Go specification, "Floating-point
// operators"), and the vector paths multiply and add in two instructions.
//
// Functions of one variable ([Exp], [SinCos]) are polynomials written here, as
// math's choose their algorithm by processor.
package tensor
