// Uses the Messages API through Anthropic's own client.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ maxRetries: 0 }); // address and key from the environment
const result = { errors: {} };
const asked = { model: "bard", max_tokens: 90, system: "be brief", messages: [{ role: "user", content: "hello" }] };
const tools = [{ name: "lookup", input_schema: { type: "object", properties: { who: { type: "string" } } } }];
const text = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

const whole = await client.messages.create(asked);
result.whole = text(whole);
result.receipt = whole.koinon.receipt;
result.usage = whole.usage;

result.streamed = "";
const final = await client.messages.stream(asked).on("text", (part) => (result.streamed += part)).finalMessage();
result.final = text(final);
result.stop = final.stop_reason;

const first = await client.messages.create({ ...asked, tools });
const use = first.content.find((block) => block.type === "tool_use");
result.call = { name: use.name, arguments: use.input };
const second = await client.messages.create({
  ...asked, tools,
  messages: [...asked.messages, { role: "assistant", content: first.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "a prince" }] }],
});
result.told = text(second);
const called = await client.messages.stream({ ...asked, tools }).finalMessage();
result.calledStreaming = JSON.stringify(called.content.find((block) => block.type === "tool_use").input);

result.tokens = (await client.messages.countTokens({ model: "bard", messages: asked.messages })).input_tokens;

for (const [options, change] of [[{ apiKey: "sk-wrong" }, {}], [{ apiKey: process.env.POOR_KEY }, {}], [{}, { model: "nobody" }]]) {
  try {
    await new Anthropic({ maxRetries: 0, ...options }).messages.create({ ...asked, ...change });
  } catch (error) {
    result.errors[error.error.error.type] = error.status;
  }
}
console.log(JSON.stringify(result));
