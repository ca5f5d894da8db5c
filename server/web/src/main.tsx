import "./fonts.css";
import "@navikt/ds-css/dist/global/tokens.css";
import "@navikt/ds-css/dist/global/reset.css";
import "@navikt/ds-css/dist/global/baseline.css";
import "@navikt/ds-css/dist/global/print.css";
import "./aksel.css";
import "./app.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { aboutQuery, queryClient, sessionQuery } from "./queries";

const root = document.getElementById("root");
if (!root) throw new Error("index.html lacks the element #root: build the page again");
// Asked while the words are on their way.
void queryClient.prefetchQuery(aboutQuery);
void queryClient.prefetchQuery(sessionQuery);
createRoot(root).render(
  <QueryClientProvider client={queryClient}>
    <App />
  </QueryClientProvider>,
);
