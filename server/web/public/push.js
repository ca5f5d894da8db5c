// What this browser does when an alarm comes to it while no page of ours is open: it says so, and a press opens the
// link. Nothing else is done here, and nothing is kept.
self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => {
  const said = event.data.json();
  event.waitUntil(
    self.registration.showNotification(said.title, {
      body: said.body,
      tag: said.tag,
      icon: "/icon.svg",
      // It stays until somebody has seen it, and the same message sent twice is one.
      requireInteraction: true,
      data: { link: said.link },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.link || "/"));
});
