// How times, lengths and numbers are written, for readers in their own time zone.
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const plain = new Intl.NumberFormat();

/** The time of day of milliseconds since 1970; with the date where that is another day. */
export function time(milliseconds) {
  const date = new Date(milliseconds);
  const today = date.toDateString() === new Date().toDateString();
  return (today ? clock : day).format(date);
}

/** A length in seconds, as stories write it. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.001) return "under 1 ms";
  const milliseconds = Math.round(seconds * 1000);
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const tenths = Math.round(seconds * 10) / 10;
  if (tenths < 10) return `${tenths} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? two(minutes, "min", whole % 60, "s") : two(Math.floor(minutes / 60), "h", minutes % 60, "min");
}

const two = (large, unit, small, smaller) => `${number(large)} ${unit}${small ? ` ${small} ${smaller}` : ""}`;

/** Very short lengths, too. */
export function fine(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return seconds < 0.001 ? `${(seconds * 1e6).toFixed(seconds < 1e-5 ? 1 : 0)} µs` : duration(seconds);
}

export const number = (value) => plain.format(value);

/** `one` of something, or how many of them. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** How an outcome is marked: never by colour alone. */
export function mark(outcome) {
  if (/^(fail|nothing was saved|dead|rolled)/i.test(outcome)) return { sign: "✗", kind: "bad" };
  if (/retr/i.test(outcome)) return { sign: "↻", kind: "odd" };
  if (/^(completed|success)/i.test(outcome)) return { sign: "✓", kind: "good" };
  return { sign: "…", kind: "open" };
}

/** Any value as text: JSON where it is not one already. */
export const text = (value) => shortened(typeof value === "string" ? value : JSON.stringify(value, null, 1));

const LONGEST = 20000;

/** What nobody reads to its end is not shown to its end. */
export const shortened = (value) => (value.length > LONGEST ? `${value.slice(0, LONGEST)}… and ${number(value.length - LONGEST)} characters more` : value);

export const party = (who) => (who ? (who.label ? `${who.label} (${name(who)})` : name(who)) : "");
export const name = (who) => (who.id === null ? who.type : `${who.type}:${who.id}`);
