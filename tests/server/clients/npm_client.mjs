// OpenAI's client for JavaScript against a server: run by test_server_clients.py.
//
//     node npm_client.mjs URL BUSY KEY PACKAGE     prints what came, as one JSON object

const [URL, BUSY, KEY, PACKAGE] = process.argv.slice(2);
const { default: OpenAI } = await import(`${PACKAGE}/index.mjs`);
const M8 = "Which torque for the M8 flange bolts of the P-200?";
const M10 = "And for the M10 foot bolts?";

const at = (baseURL, apiKey = KEY) => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const client = at(URL);
const user = (content) => ({ role: "user", content });
const ask = (more = {}, from = client, question = M8) =>
  from.chat.completions.create({ model: "loresmith", messages: [user(question)], ...more });

async function refused(call) {
  try {
    return ["answered", JSON.stringify(await call())];
  } catch (error) {
    return [error.constructor.name, error.status, error.code];
  }
}

async function pieces(stream) {
  const found = { texts: [], citations: [], usage: null };
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta;
    if (delta?.content) found.texts.push(delta.content);
    found.citations.push(...(delta?.citations ?? []));
    found.usage = chunk.usage ?? found.usage;
  }
  return found;
}

/** A long answer that is given up after its first words; whether the server then computes nothing. */
async function givenUp() {
  const stream = await ask({ model: "loresmith-base", stream: true }, client, "Go on for ever.");
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  stream.controller.abort();
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    const told = await (await fetch(URL.replace("/v1", "/metrics"), { headers: { Authorization: `Bearer ${KEY}` } })).text();
    if (/^loresmith_answers_running 0/m.test(told)) return true;
  }
  return false;
}

const whole = await ask();
const newer = await client.responses.create({ model: "loresmith", input: M8 });
const events = client.responses.stream({ model: "loresmith", input: M8 });
const kinds = [];
for await (const event of events) kinds.push(event.type);
const form = { type: "json_schema", json_schema: { name: "t", schema: { type: "object" } } };
const parsed = await client.chat.completions.parse({ model: "loresmith-base", messages: [user("as JSON")], response_format: form });
const long = Array.from({ length: 60 }, () => [user(M8), { role: "assistant", content: whole.choices[0].message.content }]).flat();
const texts = ["a pump", "ein Flügelrad"];
const embed = async (more) => (await client.embeddings.create({ model: "loresmith-embed", input: texts, ...more })).data.map((one) => one.embedding);
const tool = { type: "function", function: { name: "add", parameters: { type: "object", properties: {} } } };

console.log(JSON.stringify({
  plain: whole.choices[0].message.content,
  citations: whole.choices[0].message.citations,
  usage: whole.usage,
  stream: await pieces(await ask({ stream: true, stream_options: { include_usage: true } })),
  helper: await client.chat.completions.stream({ model: "loresmith", messages: [user(M8)] }).finalContent(),
  responses: newer.output_text,
  annotations: newer.output[0].content[0].annotations,
  kinds,
  responses_stream: (await events.finalResponse()).output_text,
  history: (await ask({ messages: [{ role: "system", content: "Be a pirate." }, ...long, user(M10)] })).choices[0].message.content,
  tools: (await ask({ tools: [tool] })).choices[0].message.content,
  parsed: parsed.choices[0].message.parsed,
  json: JSON.parse((await ask({ response_format: { type: "json_object" } })).choices[0].message.content),
  n: (await ask({ model: "loresmith-base", n: 2, max_completion_tokens: 2 }, client, "Count.")).choices.map((one) => [one.message.content, one.finish_reason]),
  stop: (await ask({ model: "loresmith-base", stop: ["three"] }, client, "Count.")).choices[0].message.content,
  models: (await client.models.list()).data.map((one) => one.id),
  model: (await client.models.retrieve("loresmith-rag")).id,
  vectors: await embed({}),
  floats: await embed({ encoding_format: "float" }),
  given_up: await givenUp(),
  "no model": await refused(() => ask({ model: "gpt-4" })),
  "no key": await refused(() => ask({}, at(URL, "wrong"))),
  "no key, stream": await refused(() => ask({ stream: true }, at(URL, "wrong"))),
  busy: await refused(() => ask({}, at(BUSY))),
  "busy, stream": await refused(() => ask({ stream: true }, at(BUSY))),
}));
