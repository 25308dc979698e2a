// One event: who did what, what changed, what else is known, what privacy kept back, and how it came.
import { html, useEffect, useRef, useState } from "./vendor/libraries.js";
import { useAnswer } from "./news.js";
import { duration, mark, party, shortened, text, time } from "./words.js";

export function Event({ id, story, version }) {
  const { answer: event, problem } = useAnswer(`/api/events/${encodeURIComponent(id)}`, version);
  const heading = useRef();
  useEffect(() => heading.current?.focus(), [id, Boolean(event)]);
  if (problem) return html`<aside class="event"><p class="problem" role="alert">${problem}</p></aside>`;
  if (!event) return html`<aside class="event" aria-busy="true">…</aside>`;
  const close = () => {
    location.hash = `#/story/${encodeURIComponent(story.correlation_id)}`;
  };
  const { sign, kind } = mark(event.outcome);
  return html`
    <aside class="event" aria-label="The event" onKeyDown=${(press) => press.key === "Escape" && (press.stopPropagation(), close())}>
      <button type="button" class="close" aria-label="Close the event" onClick=${close}>×</button>
      <h2 tabindex="-1" ref=${heading}><span class=${`sign ${kind}`} aria-hidden="true">${sign}</span> ${event.event_type} <span>${event.action}</span></h2>
      <${Facts}
        pairs=${[
          ["Who", party(event.actor) + (event.actor.on_behalf_of ? ` on behalf of ${event.actor.on_behalf_of}` : "")],
          ["What", event.subject && html`<a href=${`#/subject/${encodeURIComponent(event.subject.type)}/${encodeURIComponent(event.subject.id ?? "")}`}>${party(event.subject)}</a>`],
          ["Outcome", event.outcome],
          ["When", time(event.timestamp)],
          ["Took", duration(event.duration)],
          ["Service", event.service],
          ["Error", event.error && `${event.error.type}${event.error.message ? `: ${event.error.message}` : ""}`],
        ]}
      />
      ${event.invalid.length ? html`<p class="note">It was repaired: ${event.invalid.join("; ")}</p>` : null}
      ${event.changes.length ? html`<${Changes} changes=${event.changes} />` : null}
      <${Part} title="More" pairs=${Object.entries(event.metadata).map(([key, value]) => [key, text(value)])} />
      <${Part}
        title="Belongs to"
        pairs=${Object.entries(event.correlation).map(([key, value]) => [
          key,
          key === "parent_event_id" ? html`<a href=${`#/story/${encodeURIComponent(story.correlation_id)}/${value}`}>${value}</a>` : text(value),
        ])}
      />
      ${event.redacted.length
        ? html`<${Part} title="Kept back by privacy" pairs=${event.redacted.map(({ path, rule }) => [path, rule])} />`
        : html`<p class="quiet">Privacy kept nothing back.</p>`}
      <${Part} title="Sampling" pairs=${Object.entries(event.sampling ?? { verdict: "kept, as every story is" }).map(([key, value]) => [key, text(value)])} />
      <p class="copies">
        <${Copy} label="Copy as JSON" value=${() => JSON.stringify(event.document, null, 2)} />
        <${Copy} label="Copy the story as a test" value=${() => asTest(story.correlation_id)} />
      </p>
      <details>
        <summary>As it came (OTLP)</summary>
        <pre tabindex="0">${shortened(JSON.stringify(event.received, null, 2))}</pre>
      </details>
    </aside>
  `;
}

function Facts({ pairs }) {
  const known = pairs.filter(([, value]) => value);
  return html`<dl>${known.map(([key, value]) => html`<dt>${key}</dt><dd>${value}</dd>`)}</dl>`;
}

function Part({ title, pairs }) {
  if (!pairs.length) return null;
  return html`<section><h3>${title}</h3><${Facts} pairs=${pairs} /></section>`;
}

function Changes({ changes }) {
  return html`
    <section>
      <h3>Changes</h3>
      <table class="changes">
        <thead><tr><th scope="col">Field</th><th scope="col">From</th><th scope="col">To</th></tr></thead>
        <tbody>
          ${changes.map(
            (change) => html`
              <tr>
                <th scope="row">${change.field}</th>
                <td>${"from" in change ? html`<del>${text(change.from)}</del>` : html`<span class="quiet">not told</span>`}</td>
                <td>${"to" in change ? html`<ins>${text(change.to)}</ins>` : html`<span class="quiet">not told</span>`}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </section>
  `;
}

function Copy({ label, value }) {
  const [done, setDone] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(await value());
      setDone("copied");
    } catch (problem) {
      setDone(`not copied: ${problem.message}`);
    }
    setTimeout(() => setDone(""), 2000);
  };
  return html`<button type="button" onClick=${copy}>${label}</button><span role="status">${done}</span>`;
}

async function asTest(story) {
  const response = await fetch(`/api/stories/${encodeURIComponent(story)}/test`);
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}
