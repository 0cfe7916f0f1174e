import { defineConfig } from "vite";

// The output is committed and shipped inside the wheel: dialer/web/static. Names carry a hash of the
// content, so that browsers may keep them for ever; index.html is the only name that is known.
export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../dialer/web/static",
    emptyOutDir: true,
    assetsDir: "",
    target: "es2022",
    modulePreload: { polyfill: false }, // its inline code is what the Content-Security-Policy refuses
    license: { fileName: "licenses.md" },
    reportCompressedSize: false,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
