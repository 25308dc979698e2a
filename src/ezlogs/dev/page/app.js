// The page of `ezlogs dev`: what is shown for each address, and the news that make it show something newer.
import { html, render, useEffect, useRef, useState } from "./vendor/libraries.js";
import { Dashboard } from "./dashboard.js";
import { Errors } from "./errors.js";
import { useNews } from "./news.js";
import { Stories } from "./stories.js";
import { Story } from "./story.js";
import { Subject } from "./subject.js";

const PLACES = [
  ["stories", "Stories"],
  ["errors", "Errors"],
  ["performance", "Performance and delivery"],
];

function useAddress() {
  const [address, setAddress] = useState(location.hash);
  useEffect(() => {
    const changed = () => setAddress(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return address.replace(/^#\/?/, "").split("/").map(plain);
}

function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody typed it
  }
}

function App() {
  const [place = "stories", ...rest] = useAddress();
  const { version, online } = useNews();
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current && !document.querySelector("main :focus")) document.getElementById("main").focus();
    isFirst.current = false;
  }, [place, rest[0]]);
  const press = (event) => {
    if (event.key === "Escape" && place === "story" && !rest[1]) location.hash = "#/stories";
  };
  const shown = {
    errors: () => html`<${Errors} version=${version} />`,
    performance: () => html`<${Dashboard} version=${version} />`,
    story: () => html`<${Story} id=${rest[0]} eventId=${rest[1]} version=${version} />`,
    subject: () => html`<${Subject} kind=${rest[0]} id=${rest.slice(1).join("/")} version=${version} />`,
  };
  return html`
    <a class="skip" href="#main" onClick=${toMain}>Skip to the content</a>
    <header>
      <a class="name" href="#/stories"><img src="icon.svg" alt="" width="20" height="20" />ezlogs</a>
      <nav aria-label="Pages">
        ${PLACES.map(
          ([name, label]) =>
            html`<a href=${`#/${name}`} aria-current=${(place || "stories") === name ? "page" : undefined}>${label}</a>`,
        )}
      </nav>
      <span class="online" role="status" data-online=${online}>${online ? "live" : "ezlogs dev has ended"}</span>
    </header>
    <main id="main" tabindex="-1" onKeyDown=${press}>${(shown[place] ?? (() => html`<${Stories} version=${version} />`))()}</main>
  `;
}

function toMain(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

render(html`<${App} />`, document.body);
