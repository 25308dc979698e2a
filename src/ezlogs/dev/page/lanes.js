// A story over time: a lane for each process, in it a bar for each event and span, before it the wait in a queue.
import { html } from "./vendor/libraries.js";
import { count, duration, mark } from "./words.js";

const HEIGHT = 22;
const MOST = 400;

export function Lanes({ story, chosen, onChoose }) {
  const bars = story.bars.slice(0, MOST);
  const end = Math.max(0.001, ...bars.map((bar) => bar.to));
  const percent = (seconds) => `${(100 * Math.max(0, seconds)) / end}%`;
  return html`
    <div class="lanes">
      <div class="scale" aria-hidden="true">
        ${[0, 0.25, 0.5, 0.75, 1].map((part) => html`<span style=${{ left: `${part * 100}%` }}>${part ? duration(part * end) : "0"}</span>`)}
      </div>
      ${story.lanes.map((lane) => {
        const { rows, placed } = stack(bars.filter((bar) => bar.lane === lane));
        return html`
          <section aria-label=${lane}>
            <h2>${lane}</h2>
            <div class="lane" style=${{ height: `${rows * HEIGHT}px` }}>
              ${placed.map(({ bar, row }) => {
                const waits = bar.waited > 0;
                const place = { left: percent(bar.from), width: percent(bar.to - bar.from), top: `${row * HEIGHT}px` };
                const told = `${bar.name}, ${duration(bar.to - bar.from) || "an instant"} after ${duration(bar.from) || "the beginning"}, ${bar.outcome}`;
                return html`
                  ${waits ? html`<span class="wait" title=${`waited ${duration(bar.waited)}`} style=${{ left: percent(bar.from - bar.waited), width: percent(Math.min(bar.waited, bar.from)), top: `${row * HEIGHT}px` }}></span>` : null}
                  ${bar.event_id
                    ? html`<button type="button" data-events=${bar.event_id} class=${`bar ${mark(bar.outcome).kind}`} style=${place} title=${told} aria-label=${told + (waits ? `, waited ${duration(bar.waited)}` : "")} aria-pressed=${bar.event_id === chosen} onClick=${() => onChoose(bar.event_id)}><span>${bar.label}</span></button>`
                    : html`<span class="bar span" role="img" style=${place} title=${told} aria-label=${`span ${told}`}><span>${bar.name}</span></span>`}
                `;
              })}
            </div>
          </section>
        `;
      })}
      ${story.bars.length > MOST ? html`<p class="note">${count(story.bars.length - MOST, "bar is", "bars are")} not drawn.</p>` : null}
    </div>
  `;
}

/** Put bars that overlap below one another. */
function stack(bars) {
  const ends = [];
  const placed = bars.map((bar) => {
    let row = ends.findIndex((at) => at <= bar.from);
    if (row < 0) row = ends.length;
    ends[row] = Math.max(bar.to, bar.from + 1e-9);
    return { bar, row };
  });
  return { rows: Math.max(1, ends.length), placed };
}
