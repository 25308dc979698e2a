// One story: in sentences, as a tree, or as lanes over time; beside it the event that was chosen.
import { html, useEffect, useRef, useState } from "./vendor/libraries.js";
import { Event } from "./event.js";
import { Lanes } from "./lanes.js";
import { useAnswer } from "./news.js";
import { count, duration, mark, party, time } from "./words.js";

const VIEWS = [
  ["sentences", "Sentences"],
  ["tree", "Tree"],
  ["lanes", "Lanes"],
];
let remembered = "sentences";

export function Story({ id, eventId, version }) {
  const [view, setView] = useState(remembered);
  const { answer: story, problem } = useAnswer(`/api/stories/${encodeURIComponent(id)}`, version);
  useEffect(() => {
    document.title = `${story?.title ?? "Story"} – ezlogs`;
  }, [story?.title]);
  useEffect(() => {
    remembered = view;
  }, [view]);
  const last = useRef();
  useEffect(() => {
    const buttons = eventId || !last.current ? [] : [...document.querySelectorAll("[data-events]")];
    buttons.find((button) => button.dataset.events.split(" ").includes(last.current))?.focus();
    last.current = eventId;
  }, [eventId]);
  if (problem) return html`<p class="problem" role="alert">${problem}</p>`;
  if (!story) return html`<p class="coming">…</p>`;
  const choose = (event) => {
    location.hash = `#/story/${encodeURIComponent(id)}/${event}`;
  };
  const { sign, kind } = mark(story.outcome ?? "Completed");
  return html`
    <article class="story">
      <div class="about">
        <h1><span class=${`sign ${kind}`} aria-hidden="true">${sign}</span> ${story.title ?? "Spans without events"}</h1>
        <p class="facts">
          <span>${story.outcome}</span>
          <span>${time(story.began)}</span>
          <span>${duration(story.duration)}</span>
          <span>${(story.services ?? []).join(", ")}</span>
          <span>${count(story.events.length, "event")}</span>
          <code title="The story's id">${id}</code>
        </p>
        ${(story.notes ?? []).map((note) => html`<p class="note">${note}</p>`)}
        ${(story.linked ?? []).length
          ? html`<p>Goes with ${story.linked.map((other) => html`<a href=${`#/story/${encodeURIComponent(other)}`}>${other}</a> `)}</p>`
          : null}
        <${Tabs} views=${VIEWS} view=${view} onView=${setView} />
        <div role="tabpanel" id="panel" aria-labelledby=${`tab-${view}`}>
          ${view === "sentences" && html`<${Sentences} story=${story} chosen=${eventId} onChoose=${choose} />`}
          ${view === "tree" && html`<${Tree} story=${story} chosen=${eventId} onChoose=${choose} />`}
          ${view === "lanes" && html`<${Lanes} story=${story} chosen=${eventId} onChoose=${choose} />`}
        </div>
      </div>
      ${eventId ? html`<${Event} id=${eventId} story=${story} version=${version} />` : null}
    </article>
  `;
}

/** Tabs of which arrow keys choose the next. */
function Tabs({ views, view, onView }) {
  const press = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const here = views.findIndex(([name]) => name === view);
    const [next] = views[(here + step + views.length) % views.length];
    onView(next);
    document.getElementById(`tab-${next}`).focus();
  };
  return html`
    <div role="tablist" aria-label="How to show the story" onKeyDown=${press}>
      ${views.map(
        ([name, label]) => html`
          <button
            type="button"
            role="tab"
            id=${`tab-${name}`}
            aria-controls="panel"
            aria-selected=${view === name}
            tabindex=${view === name ? 0 : -1}
            onClick=${() => onView(name)}
          >
            ${label}
          </button>
        `,
      )}
    </div>
  `;
}

function Sentences({ story, chosen, onChoose }) {
  if (!story.sentences.length) return html`<p class="empty">A trace without events of ezlogs: its spans are in the lanes.</p>`;
  return html`
    <ol class="sentences">
      ${story.sentences.map(
        ({ text, event_ids: ids }) => html`
          <li>
            <button type="button" data-events=${ids.join(" ")} aria-pressed=${ids.includes(chosen)} onClick=${() => onChoose(ids[0])}>${text}</button>
          </li>
        `,
      )}
    </ol>
  `;
}

function Tree({ story, chosen, onChoose }) {
  return html`
    <ul class="tree" aria-label="Events, each below its cause">
      ${story.events.map((event) => {
        const { sign, kind } = mark(event.outcome);
        return html`
          <li style=${{ "--depth": Math.min(event.depth, 20) }}>
            <button type="button" data-events=${event.event_id} aria-pressed=${event.event_id === chosen} aria-label=${`level ${event.depth + 1}, ${event.event_type} ${event.action}, ${event.outcome}`} onClick=${() => onChoose(event.event_id)}>
              <span class=${`sign ${kind}`} aria-hidden="true">${sign}</span>
              <b>${event.event_type}</b> ${event.action}
              ${event.subject ? html` <span class="quiet">${party(event.subject)}</span>` : null}
              <span class="quiet end">${event.service} ${duration(event.duration)}</span>
            </button>
          </li>
        `;
      })}
    </ul>
  `;
}
