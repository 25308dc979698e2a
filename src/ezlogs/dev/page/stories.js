// The list of stories, newest first, and what it can be narrowed by.
import { html, useEffect, useState } from "./vendor/libraries.js";
import { LongList, usePages } from "./list.js";
import { count, duration, mark, time } from "./words.js";

const FIELDS = [
  ["text", "Text", "words in sentences, actions, ids"],
  ["actor", "Who", "Ada, user:7"],
  ["subject", "What", "order:42"],
  ["type", "Type of event", "job.*"],
];
const OUTCOMES = [
  ["", "any outcome"],
  ["failed", "failed"],
  ["retries", "with retries"],
  ["completed", "completed"],
  ["unfinished", "not finished"],
  ["broken", "broken chain"],
];

let remembered = {};
let held = ""; // the story that the list begins with while somebody reads it

export function Stories({ version }) {
  const [wanted, setWanted] = useState(remembered);
  const [sight, setSight] = useState([0, 30]);
  const [until, setUntil] = useState(held);
  const settled = useSettled(wanted);
  useEffect(() => {
    held = until;
  }, [until]);
  useEffect(() => {
    remembered = wanted;
    document.title = "Stories – ezlogs";
  }, [wanted]);
  const address = `/api/stories?${new URLSearchParams(Object.entries(settled).filter(([, value]) => value))}`;
  const { total, newer, line, problem } = usePages(address, version, until, ...sight);
  const isNarrow = Object.values(settled).some(Boolean);
  const open = (index) => {
    const story = line(index);
    if (story) location.hash = `#/story/${encodeURIComponent(story.story)}`;
  };
  const set = (name) => (event) => setWanted({ ...wanted, [name]: event.target.value });
  return html`
    <h1 class="hidden">Stories</h1>
    <form class="filter" role="search" onSubmit=${(event) => event.preventDefault()}>
      ${FIELDS.map(
        ([name, label, hint]) => html`
          <label>${label}<input type="search" name=${name} placeholder=${hint} value=${wanted[name] ?? ""} onInput=${set(name)} /></label>
        `,
      )}
      <label>
        Outcome
        <select name="outcome" value=${wanted.outcome ?? ""} onInput=${set("outcome")}>
          ${OUTCOMES.map(([value, label]) => html`<option value=${value}>${label}</option>`)}
        </select>
      </label>
      <output aria-live="polite">${total === null ? "" : count(total, "story", "stories")}</output>
      ${total ? html`<${Forget} />` : null}
    </form>
    ${problem ? html`<p class="problem" role="alert">${problem}</p>` : null}
    ${total === 0 && !newer
      ? html`<${Empty} isNarrow=${isNarrow} onClear=${() => setWanted({})} />`
      : html`
          <${LongList}
            total=${total ?? 0}
            height=${56}
            of=${address}
            newer=${newer ? count(newer, "newer story", "newer stories") : null}
            onHold=${(isHeld) => setUntil((known) => (isHeld ? known || line(0)?.story || "" : ""))}
            label="Stories, newest first"
            name=${(index) => line(index)?.story}
            onOpen=${open}
            onSight=${(first, last) => setSight([first, last])}
          >
            ${(index) => html`<${Line} story=${line(index)} />`}
          <//>
        `}
  `;
}

/** Forgets everything, when asked twice. */
function Forget() {
  const [isSure, setSure] = useState(false);
  useEffect(() => {
    const timer = isSure && setTimeout(() => setSure(false), 5000);
    return () => clearTimeout(timer);
  }, [isSure]);
  const press = () => {
    if (isSure) fetch("/api/stories", { method: "DELETE" });
    setSure(!isSure);
  };
  return html`<button type="button" onClick=${press}>${isSure ? "Really forget all?" : "Forget all"}</button>`;
}

function Line({ story }) {
  if (!story) return html`<span class="coming">…</span>`;
  const { sign, kind } = mark(story.outcome);
  return html`
    <span class=${`sign ${kind}`} title=${story.outcome}>${sign}</span>
    <span class="title">
      ${story.title}
      ${story.is_broken ? html`<span class="badge" title="An event whose cause did not arrive, or more than one beginning">broken chain</span>` : null}
    </span>
    <span class="facts">
      <span>${time(story.began)}</span>
      <span>${story.outcome}</span>
      ${story.actor ? html`<span>${story.actor}</span>` : null}
      <span>${story.services.join(", ")}</span>
      <span>${duration(story.duration)}</span>
      <span>${story.events ? count(story.events, "event") : "no events, only spans"}</span>
    </span>
  `;
}

function Empty({ isNarrow, onClear }) {
  if (isNarrow) {
    return html`
      <div class="empty">
        <p>No story is like that.</p>
        <button type="button" onClick=${onClear}>Show all</button>
      </div>
    `;
  }
  return html`
    <div class="empty">
      <p>No story yet. This page shows each as it happens, once a program sends its telemetry here:</p>
      <pre>ezlogs dev -- python app.py</pre>
      <p>or, for a program that runs already with ezlogs or any other OpenTelemetry SDK,</p>
      <pre>OTEL_EXPORTER_OTLP_ENDPOINT=${location.origin}${"\n"}OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf</pre>
      <p>or watch a small shop for two seconds:</p>
      <pre>OTEL_SERVICE_NAME=shop OTEL_EXPORTER_OTLP_ENDPOINT=${location.origin} ezlogs run python -m ezlogs.demo.shop</pre>
    </div>
  `;
}

/** Wait until nobody types. */
function useSettled(value) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 150);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
