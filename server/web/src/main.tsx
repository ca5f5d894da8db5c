import { createRoot } from "react-dom/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import createClient from "openapi-fetch";
import { Route } from "wouter";
import { Button, Tag, TextField, Select, RadioGroup, Radio, Alert, BodyShort } from "@navikt/ds-react";
const c = createClient<any>({});
createRoot(document.getElementById("root")!).render(<QueryClientProvider client={new QueryClient()}>
<Route path="/"><Button onClick={() => c.GET("/x" as any,{} as any)}>x</Button><Tag variant="info">x</Tag>
<div><TextField label="x"/><Select label="x"/><RadioGroup legend=""><Radio value="1">x</Radio></RadioGroup></div>
<Alert variant="error">x</Alert><BodyShort>x</BodyShort></Route></QueryClientProvider>);
