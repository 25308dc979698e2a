// A list of any length, of which only the lines in sight are there; they are asked for a page at a time.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/libraries.js";
import { ask, isAnswer } from "./news.js";

const PAGE = 100;
const AROUND = 10;
let left = null; // which line was opened: it is the current one again for who comes back

/**
 * Keep the pages of a long answer. Returns `{ total, newer, line, problem }`; `line(index)` is undefined while it is on
 * its way.
 *
 * `until` names the line that the list is to begin with, if any: what is newer is then only counted.
 */
export function usePages(address, version, until, first, last) {
  const pages = useRef({ address: "", version: -1, found: new Map() });
  const [state, setState] = useState({ total: null });
  const wanted = `${version}/${until}`;
  if (pages.current.address !== address) pages.current = { address, wanted, found: new Map() };
  const from = Math.floor(first / PAGE);
  const to = Math.floor(Math.max(first, last) / PAGE);
  useEffect(() => {
    const asking = new AbortController();
    const known = pages.current;
    const isOld = known.wanted !== wanted;
    known.wanted = wanted;
    for (let page = from; page <= to; page += 1) {
      if (known.found.has(page) && !isOld) continue;
      ask(`${address}&until=${encodeURIComponent(until)}&offset=${page * PAGE}&limit=${PAGE}`, asking.signal).then(
        (answer) => {
          if (known !== pages.current) return;
          if (isOld) for (const other of known.found.keys()) if (other < from || other > to) known.found.delete(other);
          known.found.set(page, answer.stories);
          setState({ total: answer.total, newer: answer.newer });
        },
        (problem) => isAnswer(problem) && setState((known) => ({ ...known, problem: problem.message })),
      );
    }
    return () => asking.abort();
  }, [address, wanted, from, to]);
  return { ...state, line: (index) => pages.current.found.get(Math.floor(index / PAGE))?.[index % PAGE] };
}

/**
 * Show the lines in sight of a list; arrow keys, Page Up and Down, Home and End move between them.
 *
 * While somebody reads further down, or has chosen another line than the first, `onHold(true)` asks for it to hold still.
 * `newer` says what there is meanwhile above its beginning. With another `of` it begins anew.
 */
export function LongList({ total, height, of, newer, onHold, onSight, children, label, name, onOpen }) {
  const box = useRef();
  const list = useRef();
  const [sight, setSight] = useState([0, 30]);
  const [current, setCurrent] = useState(0);
  const [isScrolled, setScrolled] = useState(false);
  const chosen = useRef();
  const isHeld = isScrolled || current > 0;
  useEffect(() => {
    if (!left) onHold(isHeld);
  }, [isHeld]);
  const begun = useRef(of);
  useLayoutEffect(() => {
    if (begun.current !== of) begin();
    begun.current = of;
  }, [of]);
  const begin = () => {
    box.current.scrollTop = 0;
    chosen.current = undefined;
    setCurrent(0);
  };
  useLayoutEffect(() => {
    if (!left || !total) return;
    go(left.current);
    list.current.focus({ preventScroll: true });
    left = null;
  }, [total]);
  useLayoutEffect(() => {
    const moved = chosen.current && name(current) !== chosen.current ? whereIs(chosen.current) : current;
    if (moved !== current) {
      if (box.current.scrollTop) box.current.scrollTop += (moved - current) * height;
      setCurrent(moved);
    }
  });
  const whereIs = (wanted) => {
    for (let index = 0; index < total; index += 1) if (name(index) === wanted) return index;
    return current;
  };
  const look = () => {
    const top = Math.floor(box.current.scrollTop / height);
    setScrolled(box.current.scrollTop > 0);
    const bottom = top + Math.ceil(box.current.clientHeight / height);
    setSight([Math.max(0, top - AROUND), bottom + AROUND]);
    onSight(top, bottom);
  };
  useLayoutEffect(() => {
    look();
    addEventListener("resize", look);
    return () => removeEventListener("resize", look);
  }, [total]);
  const choose = (index) => {
    chosen.current = name(index);
    setCurrent(index);
  };
  const open = (index) => {
    left = { current: index };
    onOpen(index);
  };
  const go = (index) => {
    const next = Math.max(0, Math.min(total - 1, index));
    choose(next);
    const { scrollTop, clientHeight } = box.current;
    if (next * height < scrollTop) box.current.scrollTop = next * height;
    else if ((next + 1) * height > scrollTop + clientHeight) box.current.scrollTop = (next + 1) * height - clientHeight;
  };
  const press = (event) => {
    const page = Math.floor(box.current.clientHeight / height) - 1;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -total, End: total };
    if (event.key in moves) go(current + moves[event.key]);
    else if (event.key === "Enter") open(current);
    else return;
    event.preventDefault();
  };
  const lines = [];
  for (let index = sight[0]; index < Math.min(sight[1], total); index += 1) {
    lines.push(html`
      <li
        key=${index}
        id=${`line-${index}`}
        role="option"
        aria-selected=${index === current}
        aria-posinset=${index + 1}
        aria-setsize=${total}
        style=${{ top: `${index * height}px`, height: `${height}px` }}
        onClick=${() => {
          choose(index);
          open(index);
        }}
      >
        ${children(index)}
      </li>
    `);
  }
  return html`
    <div class="frame">
      ${newer
        ? html`<button
            type="button"
            class="newer"
            onClick=${() => {
              begin();
              list.current.focus({ preventScroll: true });
            }}
          >
            ${newer}
          </button>`
        : null}
      <div class="long" ref=${box} onScroll=${look}>
        <ul
          ref=${list}
          role="listbox"
          tabindex="0"
          aria-label=${label}
          aria-activedescendant=${total && current >= sight[0] && current < sight[1] ? `line-${current}` : undefined}
          style=${{ height: `${total * height}px` }}
          onKeyDown=${press}
        >
          ${lines}
        </ul>
      </div>
    </div>
  `;
}
