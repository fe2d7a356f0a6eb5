// Keeps the phone page's own files, so that it opens without signal. Lists and results never pass through here.

const MODULES = ['walk', 'html', 'store', 'outbox', 'list', 'map', 'home', 'door', 'forms', 'more'].map((name) => `${name}.js`);
const FILES = ['walk.html', 'walk.css', 'icon.svg', 'icon-192.png', ...MODULES].map((name) => `/walk/app/${name}`);

/** Fetches all files into a cache named by their digest, then deletes older ones: the page is always of one version. */
async function refresh() {
  const answers = await Promise.all(FILES.map((file) => fetch(file, { cache: 'no-cache' })));
  if (!answers.every(({ ok, redirected }) => ok && !redirected)) throw new TypeError('a file of the page is missing');
  const bodies = await Promise.all(answers.map((answer) => answer.clone().arrayBuffer()));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(bodies).arrayBuffer()));
  const version = `walk-${digest.join('-')}`;
  const cache = await caches.open(version);
  if ((await cache.keys()).length < FILES.length) await Promise.all(FILES.map((file, at) => cache.put(file, answers[at])));
  await Promise.all((await caches.keys()).map((name) => name !== version && caches.delete(name)));
}

addEventListener('install', (event) => event.waitUntil(refresh().then(() => skipWaiting())));
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('message', (event) => event.waitUntil(refresh().catch(() => null)));

addEventListener('fetch', (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  const file = request.mode === 'navigate' && /^\/walk\/[^/]+$/.test(pathname) ? '/walk/app/walk.html' : pathname;
  if (request.method === 'GET' && FILES.includes(file)) event.respondWith(caches.match(file).then((kept) => kept ?? fetch(request)));
});
