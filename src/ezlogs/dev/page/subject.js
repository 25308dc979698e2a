// What happened to one subject, in the order of time.
import { html, useEffect } from "./vendor/libraries.js";
import { useAnswer } from "./news.js";
import { count, mark, time } from "./words.js";

export function Subject({ kind, id, version }) {
  const { answer, problem } = useAnswer(`/api/subjects/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`, version);
  useEffect(() => {
    document.title = `${kind} ${id} – ezlogs`;
  }, [kind, id]);
  if (problem) return html`<p class="problem" role="alert">${problem}</p>`;
  if (!answer) return html`<p class="coming">…</p>`;
  return html`
    <h1>${kind} ${id}</h1>
    ${answer.bulk ? html`<p class="note">${count(answer.bulk, "change")} of many rows at once may have been of this one, too.</p>` : null}
    ${answer.entries.length ? null : html`<p class="empty">Nothing is known of it.</p>`}
    <ol class="history">
      ${answer.entries.map((entry) => {
        const { sign, kind: how } = mark(entry.outcome);
        return html`
          <li>
            <time>${time(entry.at)}</time>
            <span class=${`sign ${how}`} title=${entry.outcome}>${sign}</span>
            <span>
              <b>${entry.who}</b> ${entry.deed} <a href=${`#/story/${encodeURIComponent(entry.story)}/${entry.event_id}`}>${entry.place || "its story"}</a>
              ${entry.details.map((detail) => html`<br /><span class="quiet">${detail}</span>`)}
            </span>
          </li>
        `;
      })}
    </ol>
  `;
}
