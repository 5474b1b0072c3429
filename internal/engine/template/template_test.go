package template

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

func conversation(parts ...string) map[string]any {
	var list []map[string]any
	for i := 0; i < len(parts); i += 2 {
		list = append(list, map[string]any{"role": parts[i], "content": parts[i+1]})
	}
	return map[string]any{"messages": list, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true}
}

// shipped are templates in the manner of those that models ship, and what they
// make of a system message, a question, an answer and a question.
var shipped = map[string]struct{ source, want string }{
	"ChatML": {
		"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
		"<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n Hi? <|im_end|>\n<|im_start|>assistant\nHi!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
	},
	"Llama 3": {
		"{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
		"<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi!<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
	},
	"Mistral": {
		"{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}{%- for message in loop_messages %}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('roles must alternate') }}{%- endif %}{%- if message['role'] == 'user' %}{%- if loop.last and system_message is defined %}{{- '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}{%- else %}{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}{%- elif message['role'] == 'assistant' %}{{- ' ' + message['content'] + eos_token}}{%- else %}{{- raise_exception('unknown role') }}{%- endif %}{%- endfor %}",
		"<s>[INST]  Hi? [/INST] Hi!</s>[INST] Be kind.\n\nBye[/INST]",
	},
	"Qwen with a namespace": {
		"{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi_step_tool and message.role == \"user\" and not(message.content.startswith('<tool>')) %}{%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}{%- for message in messages %}{{- message.role ~ ':' ~ (message.content | string).strip() }}{%- if loop.index0 == ns.last_query_index %}{{- '*' }}{%- endif %}{{- '\\n' if not loop.last else '' }}{%- endfor %}",
		"system:Be kind.\nuser:Hi?\nassistant:Hi!\nuser:Bye*",
	},
	"filters": {
		"{{ messages | map(attribute='role') | list | join(', ') | upper }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages[1].content.replace(' ', '') }} {{ 'ab' * 3 }} {{ 2 * 3 }} {{ messages[0] | tojson }} {% set x %}a{{ 1 + 1 }}{% endset %}{{ x }} {{ none | default('d', true) }} {% set l = [1, 2] %}{% set l = l + [3] %}{{ l[-1] }} {{ messages[2].get('content') }} {{ missing is defined }} {{ {'a': '<&>\\'\"\\\\u003c', 'b': [1, {}, ',:']} | tojson }}",
		"SYSTEM, USER, ASSISTANT, USER 2 Hi? ababab 6 {\"content\": \"Be kind.\", \"role\": \"system\"} a2 d 3 Hi! False {\"a\": \"<&>'\\\"\\\\u003c\", \"b\": [1, {}, \",:\"]}",
	},
}

func TestTemplatesOfModels(t *testing.T) {
	for name, c := range shipped {
		parsed, err := Parse(c.source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := parsed.Render(conversation("system", "Be kind.", "user", " Hi? ", "assistant", "Hi!", "user", "Bye"))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// A conversation that fills the longest context is within the bounds.
func TestLongConversations(t *testing.T) {
	var parts []string
	for range 1000 {
		parts = append(parts, "user", strings.Repeat("word ", 100), "assistant", strings.Repeat("word ", 100))
	}
	for name, c := range shipped {
		if name == "filters" {
			continue
		}
		parsed, err := Parse(c.source)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parsed.Render(conversation(parts...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hostileTemplates ask for time, memory, files or a stack without end.
var hostileTemplates = []string{
	"{{ raise_exception('no') }}", "{% for", "{{", "{% if %}", "{% raw %}{% endraw %}", "{% set %}", "{{ 1 // 0 % 0 }}", "{{ 'a' % 0 }}",
	"{% for i in range(10000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxx' * 1000 }}{% endfor %}", "{% for i in range(100000000) %}{% endfor %}",
	"{% for i in range(999) %}{% for j in range(999) %}{% for k in range(999) %}{% endfor %}{% endfor %}{% endfor %}",
	"{% for i in range(999) %}{% for j in range(999) %}{% if 1 == 2 %}{% endif %}{% if 1 == 2 %}{% endif %}{% endfor %}{% endfor %}",
	"{% include '/etc/hostname' %}", "{% extends '/etc/hostname' %}", "{% import '/etc/hostname' as x %}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
	"{% for x in messages recursive %}{{ loop(messages) }}{% endfor %}",
	"{{ 'x' * 1000000000000 }}", "{{ ('x' * 1000000) * 1000000 }}", "{{ 'x'.center(1000000000) }}", "{{ 'x' | center(1000000000) }}", "{{ '%1000000000d' | format(1) }}",
	"{{ 'x'.ljust(1000000000) }}", "{{ 'x'.zfill(1000000000) }}", "{{ '\t'.expandtabs(1000000000) }}", "{{ 'x\nx' | indent(1000000000) }}", "{{ messages | tojson(indent=1000000000) }}",
	"{{ lipsum(1000000000) }}", "{{ [1] | random }}", "{{ [1, 2] | batch(1000000000, 'x') }}", "{{ 'x' | wordwrap(1, wrapstring='x' * 1000000) }}",
	"{% set x = 'x' * 1000000 %}{{ x.replace('x', x) }}", "{% set x = 'x' * 1000000 %}{{ x | replace('x', x) }}", "{% set x = 'x' * 1000000 %}{{ x | list | join(x) }}",
	"{% set x = 'x' * 1000000 %}{{ [x, x, x, x, x] | map('replace', 'x', x) | list }}", "{% set x = 'x' * 4000000 %}{{ x ~ x }}", "{% set x = 'x' * 4000000 %}{{ [x, x] | tojson }}",
	"{% set x = 'x' %}" + strings.Repeat("{% set x = x ~ x %}", 60) + "{{ x }}", "{% set x = [1] %}" + strings.Repeat("{% set x = [x, x] %}", 60) + "{{ x }}",
	"{% set x = [1] %}" + strings.Repeat("{% set x = x + x %}", 60) + "{{ x }}", "{% set x = 'x' %}" + strings.Repeat("{% set x = {'a': x, 'b': x} %}", 60) + "{{ x }}",
	"{% set x = 'x' * 1000 %}{% set y %}" + strings.Repeat("{{ x }}", 5000) + "{% endset %}", strings.Repeat("{% for x in [[x, x]] %}", 40) + "{{ x }}" + strings.Repeat("{% endfor %}", 40),
	"{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "{% set l = [1] %}{% do l.append(l) %}{% do l.append(l) %}" + strings.Repeat("{% do l.append(l) %}", 50) + "{{ l }}",
	"{% set d = {} %}{% do d.update({'a': d}) %}{{ d }}", "{% set ns = namespace(l=[]) %}{% set ns.l = [ns] %}{{ ns | tojson }}", "{% set messages[0].me = messages %}{{ messages }}",
	"{{ " + strings.Repeat("(", 20000) + "1" + strings.Repeat(")", 20000) + " }}", "{{ " + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + " }}", "{{ " + strings.Repeat("not ", 10000) + "1 }}",
	"{{ " + strings.Repeat("-", 30000) + "1 }}", "{{ nothing()" + strings.Repeat(" + 1", 10000) + " }}", "{{ 'x'" + strings.Repeat(".strip()", 2000) + " }}", "{{ 'x'" + strings.Repeat(".strip()", 60) + " }}", "{{ x" + strings.Repeat("[0]", 10000) + " }}",
	strings.Repeat("{% if 1 %}", 5000) + strings.Repeat("{% endif %}", 5000), "{{ 'x'" + strings.Repeat("|upper", 9000) + " }}", "{% set x = 'x' * 3000000 %}{{ " + strings.Repeat("x == x and ", 5000) + "1 }}",
	"{% set x = range(999) | list %}{% for i in x %}{% for j in x %}{{ x.index(1) }}{% endfor %}{% endfor %}", "{% set d = {'a': range(999) | list} %}{% for i in range(999) %}{% for j in range(999) %}{{ d.get('b') }}{% endfor %}{% endfor %}",
	"{{ self }}", "{{ loop }}", "{% for x in messages %}{{ loop }}{{ loop.nextitem }}{{ loop.changed(loop) }}{% endfor %}", "{{ namespace }}", "{{ range }}", "{{ raise_exception }}",
}

// within fails unless doing takes little memory and time.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	do()
	if took := time.Since(start); took > 30*time.Second { // on the slowest machine; one second elsewhere
		t.Errorf("%.200q: it took %s", what, took)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<30 {
		t.Errorf("%.200q: %d MiB were allocated in all", what, n>>20)
	}
}

func TestHostileTemplatesEnd(t *testing.T) {
	for _, source := range hostileTemplates {
		within(t, source, func() {
			parsed, err := Parse(source)
			if err == nil {
				_, err = parsed.Render(conversation("user", "hi"))
			}
			if err != nil && !errors.Is(err, ErrTemplate) {
				t.Errorf("%.100q: an error without a name: %v", source, err)
			}
			if err != nil && len(err.Error()) > 16<<20 {
				t.Errorf("%.100q: an error of %d bytes", source, len(err.Error()))
			}
		})
	}
}

// What costs more than a bound is refused, not cut.
func TestBoundsRefuse(t *testing.T) {
	for _, source := range []string{
		"{% for i in range(999) %}{% for j in range(999) %}{% for k in range(999) %}{% endfor %}{% endfor %}{% endfor %}",
		"{{ 'x' * 1000000000000 }}", "{% set x = 'x' * 4000000 %}{% set y = x ~ x %}", "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
		"{% for i in range(999) %}{{ 'xxxxx' * 1000 }}{% endfor %}", "{{ [1] | random }}", "{% include '/chat' %}",
	} {
		parsed, err := Parse(source)
		if err == nil {
			_, err = parsed.Render(conversation("user", "hi"))
		}
		if !errors.Is(err, ErrTemplate) {
			t.Errorf("%q: %v", source, err)
		}
	}
}

// FuzzTemplate: any text is a template or an error, and renders or fails, in
// bounded time and memory.
func FuzzTemplate(f *testing.F) {
	for _, c := range shipped {
		f.Add(c.source, "hi")
	}
	for _, source := range hostileTemplates {
		f.Add(source, "hi")
	}
	f.Fuzz(func(t *testing.T, source, content string) {
		within(t, source, func() {
			parsed, err := Parse(source)
			if err == nil {
				_, err = parsed.Render(conversation("system", content, "user", content, "assistant", "x"))
			}
			if err != nil && !errors.Is(err, ErrTemplate) {
				t.Errorf("an error without a name: %v", err)
			}
		})
	})
}
