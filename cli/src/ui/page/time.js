// Times as words. Relative times tick: an element of `since`, `until` or `span` is rewritten every second.

import { h, text } from "./dom.js";

/** The server's clock minus this browser's, in milliseconds. */
let offset = 0;

export function setServerTime(now) {
  offset = now - Date.now();
}

export function now() {
  return Date.now() + offset;
}

/** "4 s", "3 min", "2 h 5 min", "3 d 4 h". */
export function words(millis) {
  const seconds = Math.max(0, Math.round(millis / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 5 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** The time of the day; with the date if it is another day. */
export function clock(millis) {
  const [date, today] = [new Date(millis), new Date(now())];
  const time = date.toLocaleTimeString("en-GB");
  return date.toDateString() === today.toDateString() ? time : `${date.toISOString().slice(0, 10)} ${time}`;
}

/** "for 3 min": since a time. */
export function since(millis) {
  return ticking("since", millis);
}

/** "12 s left": until a time. */
export function until(millis) {
  return ticking("until", millis);
}

/** Points an element of `since` or `until` at another time. */
export function retime(element, millis) {
  if (element.dataset.at === String(millis)) return;
  element.dataset.at = millis;
  element.dateTime = new Date(millis).toISOString();
  element.title = clock(millis);
  write(element);
}

export function tick() {
  for (const element of document.querySelectorAll("time[data-at]")) write(element);
}

function ticking(kind, millis) {
  const element = h("time", { "data-kind": kind });
  retime(element, millis);
  return element;
}

function write(element) {
  const at = Number(element.dataset.at);
  const left = at - now();
  if (element.dataset.kind === "since") text(element, words(-left));
  else text(element, left > 0 ? `${words(left)} left` : "ends now");
}
