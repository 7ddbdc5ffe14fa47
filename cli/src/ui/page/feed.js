// The feed of the server: all values once, then changes. It reconnects by itself, and then gets what it has missed.

import { setServerTime } from "./time.js";

const RETRY_MILLIS = 2000;

/** Calls `changed` with the values by id after every message, and `broken` with whether the server is gone. */
export function follow(values, changed, broken) {
  const source = new EventSource("events");
  const take = (event, anew) => {
    const message = JSON.parse(event.data);
    setServerTime(message.now);
    if (anew) values.clear();
    for (const id of message.drop) values.delete(id);
    for (const [id, value] of Object.entries(message.set)) values.set(id, value);
    broken(false);
    changed();
  };
  source.addEventListener("all", (event) => take(event, true));
  source.addEventListener("changes", (event) => take(event, false));
  source.addEventListener("error", () => {
    broken(true);
    // A browser gives up after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(values, changed, broken), RETRY_MILLIS);
  });
}
