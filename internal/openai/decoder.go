package openai

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Decoder turns the tokens of one answer into text. It holds back what is not
// certain: an unfinished character, and what may become a stop string, at which
// the text ends.
type Decoder struct {
	vocabulary Vocabulary
	stop       []string
	held       []byte
	over       bool
	stopped    string
}

// NewDecoder makes the decoder of an answer that ends at any of the strings.
func NewDecoder(v Vocabulary, stop []string) *Decoder { return &Decoder{vocabulary: v, stop: stop} }

// Push returns what a token makes certain of the text.
func (d *Decoder) Push(id int32) string {
	if d.over {
		return ""
	}
	piece, _ := d.vocabulary.Piece(id)
	d.held = append(d.held, piece...)
	if at, stop := d.stopAt(); at >= 0 {
		d.stopped = stop
		d.over = true
		return d.release(at)
	}
	return d.release(len(d.held) - max(d.maybeStop(), unfinished(d.held)))
}

// Flush returns what was held back, once no more tokens come.
func (d *Decoder) Flush() string {
	if d.over {
		return ""
	}
	d.over = true
	return d.release(len(d.held))
}

// release takes n bytes off what is held. Bytes that are no text, which a model
// may well produce, become U+FFFD.
func (d *Decoder) release(n int) string {
	text := strings.ToValidUTF8(string(d.held[:n]), "\uFFFD")
	d.held = append(d.held[:0], d.held[n:]...)
	return text
}

// Stopped is the stop string at which the text ended, or empty.
func (d *Decoder) Stopped() string { return d.stopped }

// stopAt is where the first stop string begins, or −1, and which it is.
func (d *Decoder) stopAt() (first int, stop string) {
	first = -1
	for _, s := range d.stop {
		if at := bytes.Index(d.held, []byte(s)); at >= 0 && (first < 0 || at < first) {
			first, stop = at, s
		}
	}
	return first, stop
}

// maybeStop is how many bytes at the end begin a stop string.
func (d *Decoder) maybeStop() int {
	longest := 0
	for _, s := range d.stop {
		for n := min(len(s)-1, len(d.held)); n > longest; n-- {
			if bytes.HasSuffix(d.held, []byte(s[:n])) {
				longest = n
			}
		}
	}
	return longest
}

// unfinished is how many bytes at the end begin a character that is not whole.
func unfinished(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
