// Requests to the server of this page, with the token of its address.

const token = new URLSearchParams(location.search).get("token") ?? "";
const headers = { Authorization: `Bearer ${token}` };

// The answer to a request. `content` is sent as JSON; without it the request is a GET.
export function ask(path, content, signal) {
  if (content === undefined) return fetch(path, { headers, signal });
  const body = JSON.stringify(content);
  return fetch(path, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body, signal });
}

// Calls `receive` with each value of an answer of `json_lines`, until the answer ends.
export async function eachLine(response, receive) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) receive(JSON.parse(line));
  }
}

// Follows an answer of `json_lines` for ever: after a break it asks again. `connected` is told of both.
export async function follow(path, receive, connected) {
  for (;;) {
    try {
      const response = await ask(path);
      if (response.ok) {
        connected(true);
        await eachLine(response, receive);
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // a TypeError is a lost connection
    }
    connected(false);
    await new Promise((after) => setTimeout(after, 1000));
  }
}
