// What the server knows: news that something is newer, and answers to what the page asks for.
import { useEffect, useState } from "./vendor/libraries.js";

const PATIENCE = 20000; // milliseconds until an answer is given up
let asking = 0;
let whenQuiet = () => {};

/**
 * Return the version of what the server knows, and whether it is there. What is being asked for comes first.
 *
 * Only while the page is in sight: browsers have six connections to a server for all of their tabs together.
 */
export function useNews() {
  const [news, setNews] = useState({ version: "", online: true });
  useEffect(() => {
    let source = null;
    let newest = null;
    whenQuiet = () => {
      if (newest === null || asking) return;
      const version = newest;
      newest = null;
      setNews({ version, online: true });
    };
    const listen = () => {
      source = new EventSource("/api/live");
      source.onmessage = (message) => {
        newest = message.data;
        whenQuiet();
      };
      source.onopen = () =>
        setNews(({ version, online }) => ({ version: online ? version : `${version} again`, online: true }));
      source.onerror = () => setNews((known) => ({ ...known, online: false }));
    };
    const look = () => {
      if (document.hidden) {
        source?.close();
        source = null;
      } else if (!source) listen();
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      source?.close();
    };
  }, []);
  return news;
}

/**
 * Return what an address answers: `{ answer, problem }`, asked again with each version; the last answer stays.
 * With `every` it is asked again so many milliseconds after each answer, too.
 */
export function useAnswer(address, version, every = 0) {
  const [state, setState] = useState({});
  useEffect(() => {
    if (!address) return undefined;
    const asking = new AbortController();
    let timer;
    const once = async () => {
      try {
        setState({ address, answer: await ask(address, asking.signal) });
      } catch (problem) {
        if (isAnswer(problem)) setState({ address, problem: problem.message });
      }
      if (every && !asking.signal.aborted) timer = setTimeout(once, every);
    };
    once();
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  }, [address, version]);
  return state.address === address ? state : {};
}

/** Say whether this is what the server says, and not that it was given up, cut off or is gone, of which `useNews` tells. */
export function isAnswer(problem) {
  return problem.name !== "AbortError" && !(problem instanceof TypeError) && !(problem instanceof SyntaxError);
}

/** Ask the server for JSON; again after a pause where no answer comes, or one is cut off. */
export async function ask(address, signal) {
  for (let pause = 500; ; pause = Math.min(2 * pause, 8000)) {
    try {
      return await answer(address, signal);
    } catch (problem) {
      if (signal.aborted || isAnswer(problem)) throw problem;
    }
    await new Promise((goOn) => setTimeout(goOn, pause));
    if (signal.aborted) throw new DOMException("given up", "AbortError");
  }
}

async function answer(address, signal) {
  const late = new AbortController();
  const giveUp = () => late.abort();
  const timer = setTimeout(giveUp, PATIENCE);
  signal.addEventListener("abort", giveUp);
  asking += 1;
  try {
    const response = await fetch(address, { signal: late.signal });
    if (!response.ok) throw new Error(response.status === 404 ? "It is not here, or no longer." : `${response.status}: ${await response.text()}`);
    return await response.json();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    asking -= 1;
    setTimeout(whenQuiet);
  }
}
