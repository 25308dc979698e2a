// How the services fare: curves of the last minutes, and tables of latencies, losses, what is slow, what was retried.
import { html, uPlot, useEffect, useRef } from "./vendor/libraries.js";
import { ErrorGroups } from "./errors.js";
import { useAnswer } from "./news.js";
import { duration, fine, number, time } from "./words.js";

const STATES = ["closed", "half-open", "open"];

export function Dashboard({ version }) {
  const { answer, problem } = useAnswer("/api/performance", version, 2000);
  const last = useRef();
  if (answer) last.current = answer;
  const told = last.current;
  useEffect(() => {
    document.title = "Performance and delivery – ezlogs";
  }, []);
  if (problem) return html`<p class="problem" role="alert">${problem}</p>`;
  if (!told) return html`<p class="coming">…</p>`;
  const { series, latencies, losses } = told;
  const none = html`<p class="empty">
    No service has told of its own delivery yet. It does where it sends metrics here: under <code>ezlogs dev -- COMMAND</code> every
    two seconds, or with a meter provider of its own, <code>OTEL_METRICS_EXPORTER=otlp</code> and
    <code>OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf</code>, of which the first come after a minute.
  </p>`;
  return html`
    <h1>Performance and delivery</h1>
    <div class="charts">
      <${Chart} title="Events a second" unit="" curves=${[{ label: "events", points: filled(told) }]} told=${told} />
      <${Chart} title="Waiting in memory" unit="bytes" curves=${curves(series["ezlogs.queue.bytes"])} told=${told} />
      <${Chart} title="Waiting in the journal" unit="records" curves=${curves(series["ezlogs.journal.waiting"])} told=${told} />
      <${Chart} title="Circuit breaker" unit="" states=${STATES} curves=${breakers(series["ezlogs.breaker.state"])} told=${told} />
    </div>
    <${Table}
      title="Latencies"
      empty=${none}
      heads=${["What", "Process", "Times", "Mean", "p50", "p95", "p99"]}
      rows=${latencies.map((one) => [
        one.name === "ezlogs.emit.duration" ? "making an event" : "from event to collector",
        one.process,
        number(one.count),
        fine(one.mean),
        ...[one.p50, one.p95, one.p99].map((value) => (value !== null ? `≤ ${fine(value)}` : one.count ? `> ${fine(one.most)}` : "–")),
      ])}
    />
    <${Table}
      title="What became of events"
      empty=${none}
      heads=${["Service", "Became", "Why", "Events"]}
      rows=${losses.map((one) => [one.service, one.result.replace("_", " "), one.reason, number(one.events)])}
    />
    <${Table}
      title="Slowest requests, jobs and commands"
      empty=${html`<p class="empty">Nothing that takes a while has ended yet.</p>`}
      heads=${["What", "Times", "Failed", "Mean", "p95", "Longest"]}
      rows=${told.slowest.map((one) => [
        html`<a href=${`#/story/${encodeURIComponent(one.story)}`}>${one.action}</a> `,
        number(one.count),
        number(one.failures),
        duration(one.mean),
        duration(one.p95),
        duration(one.longest),
      ])}
    />
    <${Table}
      title="Retries"
      empty=${html`<p class="empty">No job was tried again.</p>`}
      heads=${["Job", "Tried again", "Last"]}
      rows=${told.retries.map((one) => [
        html`<a href=${`#/story/${encodeURIComponent(one.story)}`}>${one.action.replace(/\.retry$/, "")} ${one.job}</a>`,
        number(one.retries),
        time(one.last / 1e6),
      ])}
    />
    <section>
      <h2>Errors</h2>
      ${told.errors.length ? html`<${ErrorGroups} groups=${told.errors} />` : html`<p class="empty">Nothing went wrong.</p>`}
    </section>
  `;
}

function Table({ title, heads, rows, empty }) {
  return html`
    <section>
      <h2>${title}</h2>
      ${rows.length
        ? html`
            <table class="wide">
              <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
              <tbody>${rows.map((row) => html`<tr>${row.map((cell, index) => html`<td class=${index && /^(\d|≤|>|–|under)/.test(cell) ? "figure" : ""}>${cell}</td>`)}</tr>`)}</tbody>
            </table>
          `
        : empty}
    </section>
  `;
}

/** A chart of the last minutes; what it shows is said in words for those who do not see it. */
function Chart({ title, unit, curves: lines, states, told }) {
  const box = useRef();
  const chart = useRef();
  const now = useRef();
  now.current = told.now;
  const data = aligned(lines, told);
  const shape = `${lines.length}`;
  useEffect(() => {
    if (!lines.length) return undefined;
    const colours = ["--line-1", "--line-2", "--line-3", "--line-4"].map(colour);
    const border = { stroke: colour("--border"), width: 1 };
    const axis = { stroke: colour("--quiet"), grid: border, ticks: border, size: 76 };
    chart.current = new uPlot(
      {
        width: box.current.clientWidth,
        height: 150,
        legend: { show: lines.length > 1 },
        cursor: { y: false },
        scales: { x: { time: true, range: () => [now.current - told.window, now.current] }, y: { range: (_, low, high) => [0, states ? states.length - 1 : Math.max(1, high * 1.1)] } },
        axes: [{ ...axis, size: 30 }, { ...axis, ...(states ? { splits: () => states.map((_, index) => index), values: () => states } : {}) }],
        series: [{}, ...lines.map(({ label }, index) => ({ label, stroke: colours[index % colours.length], width: 2, spanGaps: true }))],
      },
      data,
      box.current,
    );
    return () => chart.current.destroy();
  }, [shape]);
  useEffect(() => {
    chart.current?.setData(data);
  });
  const shown = (value) => states?.[value] ?? value;
  const newest = lines.map(({ label, points }) => `${label}: ${points.length ? shown(points[points.length - 1][1]) : "nothing"}`).join("; ");
  return html`
    <figure>
      <figcaption>${title} ${unit ? html`<span class="quiet">${unit}</span>` : null}</figcaption>
      ${lines.length
        ? html`<div ref=${box} role="img" aria-label=${`${title} in the last minutes; now ${newest}`}></div>`
        : html`<p class="quiet">Not told yet.</p>`}
    </figure>
  `;
}

const curves = (found = []) => found.map(({ process, points }) => ({ label: process, points }));

/** A colour of the style sheet as canvases want it: of the two that it may be, the one that it is. */
function colour(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** One curve for each process: which state its breaker was in. */
function breakers(found = []) {
  const by = new Map();
  for (const { process, of, points } of found) {
    for (const [at, value] of points) if (value) by.set(process, [...(by.get(process) ?? []), [at, STATES.indexOf(of)]]);
  }
  return [...by].map(([label, points]) => ({ label, points: points.sort((one, other) => one[0] - other[0]) }));
}

/** Each second of the window, also those in which nothing came. */
function filled(told) {
  const known = new Map(told.events);
  const end = Math.floor(told.now);
  return Array.from({ length: told.window }, (_, index) => end - told.window + index).map((second) => [second, known.get(second) ?? 0]);
}

/** The form that the charts want: all times, and for each curve its values at them. */
function aligned(lines) {
  const times = [...new Set(lines.flatMap(({ points }) => points.map(([at]) => at)))].sort((one, other) => one - other);
  const place = new Map(times.map((at, index) => [at, index]));
  const columns = lines.map(({ points }) => {
    const column = new Array(times.length).fill(null);
    for (const [at, value] of points) column[place.get(at)] = value;
    return column;
  });
  return [times, ...columns];
}
