// What goes wrong, in groups by type and place, the latest first.
import { html, useEffect } from "./vendor/libraries.js";
import { useAnswer } from "./news.js";
import { number, time } from "./words.js";

export function Errors({ version }) {
  const { answer: groups, problem } = useAnswer("/api/errors", version);
  useEffect(() => {
    document.title = "Errors – ezlogs";
  }, []);
  if (problem) return html`<p class="problem" role="alert">${problem}</p>`;
  if (!groups) return html`<p class="coming">…</p>`;
  if (!groups.length) {
    return html`<h1>Errors</h1><p class="empty">Nothing went wrong. Exceptions that nobody handled, and whatever failed, will be here in groups, by type and place.</p>`;
  }
  return html`<h1>Errors</h1><${ErrorGroups} groups=${groups} />`;
}

export function ErrorGroups({ groups }) {
  return html`
    <table class="wide">
      <thead>
        <tr><th scope="col">Error</th><th scope="col">Where</th><th scope="col">How often</th><th scope="col">First</th><th scope="col">Last</th><th scope="col">Example</th></tr>
      </thead>
      <tbody>
        ${groups.map(
          (group) => html`
            <tr>
              <th scope="row">${group.type}<br /><span class="quiet">${group.message}</span></th>
              <td>${group.place}<br />${group.fingerprint ? html`<a href=${`#/subject/error/${group.fingerprint}`}><code>${group.fingerprint}</code></a>` : null}</td>
              <td class="figure">${number(group.count)}</td>
              <td>${time(group.first)}</td>
              <td>${time(group.last)}</td>
              <td><a href=${`#/story/${encodeURIComponent(group.story)}/${group.event_id}`}>the latest</a></td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
