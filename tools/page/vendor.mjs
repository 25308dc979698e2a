// Bundles the libraries of the page, with their licences, into src/ezlogs/dev/page/vendor: `make page-vendor`.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const target = "../../src/ezlogs/dev/page/vendor";
const libraries = ["preact", "htm", "uplot"];

await build({
  stdin: {
    contents: `
      import { h } from "preact";
      import htm from "htm";
      export const html = htm.bind(h);
      export { render } from "preact";
      export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
      export { default as uPlot } from "uplot";
    `,
    resolveDir: ".",
  },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2020",
  outfile: `${target}/libraries.js`,
});
copyFileSync("node_modules/uplot/dist/uPlot.min.css", `${target}/uplot.css`);
const licences = libraries.map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`));
  return `${name} ${version}\n\n${readFileSync(`node_modules/${name}/LICENSE`)}`;
});
writeFileSync(`${target}/LICENSES.txt`, licences.join(`\n${"-".repeat(80)}\n\n`));
