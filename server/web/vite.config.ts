/// The staff page is one small app of static files: built into dist/, served by the server from its own origin.
///
/// It is written against React and runs on Preact, which is a third of the size and starts twice as fast on a slow
/// line. To run on React itself, remove `alias`; nothing else knows.
import { createHash } from "node:crypto";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/// Has the browser fetch the words of whoever reads beside the program, and not after it: a small script of the page asks
/// what was chosen (`useRemembered`) and names their file. The names are known once all is built.
function wordsBeside(): Plugin {
  return {
    name: "words-beside",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const files: Record<string, string> = {};
        for (const one of Object.values(bundle)) {
          const code = one.type === "chunk" && /\/i18n\/languages\/([^./]+)\./.exec(one.facadeModuleId ?? "")?.[1];
          if (code) files[code] = `/${one.fileName}`;
        }
        if (!files.nb) this.error("the words of nb are no file of their own: see src/i18n/languages");
        const source = `{
  const files = ${JSON.stringify(files)};
  let chosen = null;
  try {
    chosen = localStorage.getItem("hjemvakt.language");
  } catch {}
  const link = document.createElement("link");
  link.rel = "modulepreload";
  link.href = files[chosen] ?? files.nb;
  document.head.append(link);
}
`;
        const name = `assets/words-${createHash("sha256").update(source).digest("hex").slice(0, 8)}.js`;
        this.emitFile({ type: "asset", fileName: name, source });
        const page = bundle["index.html"];
        if (page?.type !== "asset") this.error("index.html is not among what was built");
        page.source = String(page.source).replace("</title>", `</title>\n    <script src="/${name}"></script>`);
      },
    },
  };
}

export default defineConfig({
  plugins: [wordsBeside()],
  resolve: {
    alias: {
      "react-dom/client": "preact/compat/client",
      "react-dom": "preact/compat",
      "react/jsx-runtime": "preact/jsx-runtime",
      react: "preact/compat",
      "date-fns/locale": "/src/nocalendar.ts",
    },
  },
  // The content security policy allows nothing inline, so small assets stay files as well.
  build: {
    outDir: "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Aksel marks every file "use client", for servers that render; here there is none, so the mark means nothing.
    rolldownOptions: {
      onwarn: (warning, warn) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
  test: { include: ["src/**/*.test.ts"], testTimeout: 60_000 }, // a busy machine is no bug
});
