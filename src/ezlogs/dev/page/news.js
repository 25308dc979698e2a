// What the server knows: news that something is newer, and answers to what the page asks for.
import { useEffect, useState } from "./vendor/libraries.js";

let asking = 0;
let whenQuiet = () => {};

/** Return the version of what the server knows, and whether it is there. What is being asked for comes first. */
export function useNews() {
  const [news, setNews] = useState({ version: "", online: true });
  useEffect(() => {
    const source = new EventSource("/api/live");
    let newest = null;
    whenQuiet = () => {
      if (newest === null || asking) return;
      const version = newest;
      newest = null;
      setNews({ version, online: true });
    };
    source.onmessage = (message) => {
      newest = message.data;
      whenQuiet();
    };
    source.onopen = () =>
      setNews(({ version, online }) => ({ version: online ? version : `${version} again`, online: true }));
    source.onerror = () => setNews((known) => ({ ...known, online: false }));
    return () => source.close();
  }, []);
  return news;
}

/** Return what an address answers: `{ answer, problem }`, asked again with each version; the last answer stays. */
export function useAnswer(address, version) {
  const [state, setState] = useState({});
  useEffect(() => {
    if (!address) return undefined;
    const asking = new AbortController();
    ask(address, asking.signal).then(
      (answer) => setState({ address, answer }),
      (problem) => isAnswer(problem) && setState({ address, problem: problem.message }),
    );
    return () => asking.abort();
  }, [address, version]);
  return state.address === address ? state : {};
}

/** Say whether this is what the server says, and not that it was given up or is gone, of which `useNews` tells. */
export function isAnswer(problem) {
  return problem.name !== "AbortError" && !(problem instanceof TypeError);
}

/** Ask the server for JSON. */
export async function ask(address, signal) {
  asking += 1;
  try {
    const response = await fetch(address, { signal });
    if (!response.ok) throw new Error(response.status === 404 ? "It is not here, or no longer." : `${response.status}: ${await response.text()}`);
    return await response.json();
  } finally {
    asking -= 1;
    setTimeout(whenQuiet);
  }
}
