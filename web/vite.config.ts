/** The pages. What is built lies in server/web, which the server serves and the wheel ships. */

import { resolve } from "node:path";
import preact from "@preact/preset-vite";
import { compression } from "vite-plugin-compression2";
import { defineConfig } from "vitest/config";

const pages = resolve(import.meta.dirname, "pages");

export default defineConfig({
  root: pages,
  plugins: [
    preact(),
    compression({ algorithms: ["gzip", "brotliCompress"], threshold: 1024, skipIfLargerOrEqual: true }),
  ],
  resolve: {
    alias: { "@client": resolve(import.meta.dirname, "client"), "@shared": resolve(pages, "shared") },
  },
  // For `npx vite`: the pages as they are being written, on a server that `make run` started.
  server: {
    proxy: {
      "^/(routes|openapi.json|asyncapi.json)": "http://127.0.0.1:3000",
      "/socket.io": { target: "http://127.0.0.1:3000", ws: true },
    },
  },
  build: {
    target: "es2022",
    outDir: resolve(import.meta.dirname, "../server/web"),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: Object.fromEntries(["console", "exam", "docs"].map((page) => [page, resolve(pages, page, "index.html")])),
    },
  },
  test: {
    root: import.meta.dirname,
    environment: "happy-dom",
    include: ["tests/**/*.test.{ts,tsx}"],
  },
});
