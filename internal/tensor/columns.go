package tensor

// columns are a number for each column of a panel.
type columns = [panelWidth]float32

// columnwise are operations on rows of a panel's width, column by column. Passing
// columns by value keeps them off the heap.
type columnwise struct {
	top   func(x []float32) columns // as elementwise's, of each column
	less  func(x []float32, v columns)
	sum   func(x []float32, from columns) columns // in the order of rows
	scale func(x []float32, v columns)
}

var portableColumns = columnwise{topColumns, lessColumns, sumColumns, scaleColumns}

// columnBlock is how many rows are taken at a time, so that they stay in the
// fastest cache.
const columnBlock = 16

// SoftmaxColumns is [Softmax] of columns side by side, so that each sum runs in its
// order and none waits: x has rows of 32 elements, and of column j the first seen+j
// elements count, one at least. What does not count becomes 0.
func SoftmaxColumns(x []float32, seen int) {
	k := &kernels[active]
	rows := len(x) / panelWidth
	hidden := func(row int) []float32 { return x[row*panelWidth:][:min(panelWidth, row-seen+1)] }
	for row := seen; row < rows; row++ {
		copy(hidden(row), x) // a value that counts moves no maximum
	}
	top, sums := k.columns.top(x), columns{}
	for from := 0; from < rows; from += columnBlock {
		to := min(rows, from+columnBlock)
		block := x[from*panelWidth : to*panelWidth]
		k.columns.less(block, top)
		k.exp(block, block)
		for row := max(seen, from); row < to; row++ {
			clear(hidden(row)) // adding 0 changes no bit of a sum of exponentials
		}
		sums = k.columns.sum(block, sums)
	}
	for j, s := range sums {
		sums[j] = 1 / s
	}
	k.columns.scale(x, sums)
	for row := seen; row < rows; row++ {
		clear(hidden(row)) // 0 times what is no number is none
	}
}

func topColumns(x []float32) columns {
	top := columns(x[:panelWidth])
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		for j, v := range x[:panelWidth] {
			if v > top[j] {
				top[j] = v
			}
		}
	}
	return top
}

func lessColumns(x []float32, v columns) {
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		for j := range v {
			x[j] -= v[j]
		}
	}
}

func sumColumns(x []float32, sums columns) columns {
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		for j, v := range x[:panelWidth] {
			sums[j] += v
		}
	}
	return sums
}

func scaleColumns(x []float32, v columns) {
	for ; len(x) >= panelWidth; x = x[panelWidth:] {
		for j := range v {
			x[j] *= v[j]
		}
	}
}
