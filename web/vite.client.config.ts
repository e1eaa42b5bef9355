/** The library as one ES module, for a page that is not ours: /client/proctoring.js. */

import { resolve } from "node:path";
import { compression } from "vite-plugin-compression2";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [compression({ algorithms: ["gzip", "brotliCompress"], threshold: 1024, skipIfLargerOrEqual: true })],
  build: {
    target: "es2022",
    outDir: resolve(import.meta.dirname, "../server/web/client"),
    emptyOutDir: true,
    sourcemap: true,
    lib: {
      entry: resolve(import.meta.dirname, "client/index.ts"),
      formats: ["es"],
      fileName: () => "proctoring.js",
    },
  },
});
