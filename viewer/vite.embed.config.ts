import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/**
 * The page for frames, embed.html. A frame with an origin of its own (sandbox without `allow-same-origin`) may run classic
 * scripts only: modules are asked for as data of another site is. So this is one script and one style sheet, named
 * relative to the page, which the processor serves at /embed/g/{id} and `sysflow ui-proxy` at …/sysflow/embed/g/{id}.
 */
export default defineConfig({
  plugins: [svelte(), page()],
  base: './',
  build: {
    target: 'es2022',
    emptyOutDir: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: true,
    rollupOptions: {
      input: 'src/embed.ts',
      output: {
        format: 'iife',
        entryFileNames: 'assets/embed-[hash].js',
        assetFileNames: (asset) => (asset.names.some((name) => name.endsWith('.css')) ? 'assets/embed-[hash][extname]' : 'assets/[name]-[hash][extname]'),
      },
    },
  },
});

function page(): Plugin {
  return {
    name: 'embed-page',
    // After Vite has written the style sheet.
    enforce: 'post',
    apply: 'build',
    generateBundle(_, bundle) {
      const named = (ending: string): string => {
        const found = Object.keys(bundle).find((name) => name.startsWith('assets/embed-') && name.endsWith(ending));
        if (found === undefined) throw new Error(`the bundle has no ${ending}`);
        return `../../${found}`;
      };
      const source = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>SysFlow graph</title>
    <link rel="stylesheet" href="${named('.css')}">
    <script defer src="${named('.js')}"></script>
  </head>
  <body>
    <div id="app"></div>
    <noscript>This page draws graphs with JavaScript.</noscript>
  </body>
</html>
`;
      this.emitFile({ type: 'asset', fileName: 'embed.html', source });
    },
  };
}
