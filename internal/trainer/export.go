package trainer

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// chatTemplate lets a model that only continues text hold a conversation: an
// answer follows its question directly, the next question after an empty line.
const chatTemplate = "{% for message in messages %}" +
	"{% if not loop.first and message['role'] != 'assistant' %}{{ '\n\n' }}{% endif %}" +
	"{{ message['content'] }}{% endfor %}"

// export writes the model so that a crash leaves no half of it.
func (r *run) export() (err error) {
	kind, err := gguf.ParseType(r.Format)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(r.Out), filepath.Base(r.Out)+".*")
	if err != nil {
		return fmt.Errorf("cannot write the model: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}()
	buffered := bufio.NewWriter(file)
	if _, err := r.file(kind).WriteTo(buffered); err != nil {
		return fmt.Errorf("cannot write the model: %w", err)
	}
	if err := errors.Join(buffered.Flush(), file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("cannot write the model: %w", err)
	}
	return os.Rename(file.Name(), r.Out)
}

// file lays the model out as llama.cpp expects architecture "llama".
func (r *run) file(kind gguf.Type) *gguf.Writer {
	a, w := r.Architecture, new(gguf.Writer)
	w.Text("general.architecture", "llama")
	w.Text("general.name", r.Name)
	w.Text("general.license", r.License)
	w.Uint32("general.file_type", gguf.FileType(kind))
	w.Uint32("llama.context_length", uint32(a.Context))
	w.Uint32("llama.embedding_length", uint32(a.Dim))
	w.Uint32("llama.block_count", uint32(a.Layers))
	w.Uint32("llama.feed_forward_length", uint32(a.Hidden))
	w.Uint32("llama.attention.head_count", uint32(a.Heads))
	w.Uint32("llama.attention.head_count_kv", uint32(a.KVHeads))
	w.Float32("llama.attention.layer_norm_rms_epsilon", normEps)
	w.Uint32("llama.rope.dimension_count", uint32(a.headDim()))
	w.Float32("llama.rope.freq_base", ropeBase)
	w.Uint32("llama.vocab_size", uint32(a.Vocab))

	types := make([]int32, len(r.tokenizer.Types))
	for i, t := range r.tokenizer.Types {
		types[i] = int32(t)
	}
	w.Text("tokenizer.ggml.model", "gpt2")
	w.Text("tokenizer.ggml.pre", preTokenizer)
	w.Texts("tokenizer.ggml.tokens", r.tokenizer.Tokens)
	w.Int32s("tokenizer.ggml.token_type", types)
	w.Texts("tokenizer.ggml.merges", r.tokenizer.Merges)
	w.Uint32("tokenizer.ggml.bos_token_id", uint32(r.tokenizer.BOS))
	w.Uint32("tokenizer.ggml.eos_token_id", uint32(r.tokenizer.EOS))
	w.Bool("tokenizer.ggml.add_bos_token", false)
	w.Text("tokenizer.chat_template", chatTemplate)

	r.w.named(a, func(name string, values []float32, in, out int) {
		if out == 0 {
			w.Tensor(name, gguf.F32, values, uint64(in))
			return
		}
		w.Tensor(name, kind, values, uint64(in), uint64(out))
	})
	return w
}

// named shows every tensor by its name in GGUF, with its inner and outer
// dimension; norms have no outer one.
func (w *weights) named(a Architecture, show func(name string, values []float32, in, out int)) {
	show("token_embd.weight", w.embedding, a.Dim, a.Vocab)
	show("output_norm.weight", w.norm, a.Dim, 0)
	for i, l := range w.layers {
		block := fmt.Sprintf("blk.%d.", i)
		show(block+"attn_norm.weight", l.attnNorm, a.Dim, 0)
		show(block+"attn_q.weight", l.q, a.Dim, a.Dim)
		show(block+"attn_k.weight", l.k, a.Dim, a.kvDim())
		show(block+"attn_v.weight", l.v, a.Dim, a.kvDim())
		show(block+"attn_output.weight", l.o, a.Dim, a.Dim)
		show(block+"ffn_norm.weight", l.ffnNorm, a.Dim, 0)
		show(block+"ffn_gate.weight", l.gate, a.Dim, a.Hidden)
		show(block+"ffn_up.weight", l.up, a.Dim, a.Hidden)
		show(block+"ffn_down.weight", l.down, a.Hidden, a.Dim)
	}
}
