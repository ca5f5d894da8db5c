/// The door: user name and password. What went wrong is said in words; nothing says which of the two was wrong.
import { Button, TextField } from "@navikt/ds-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { explain } from "../acts";
import { type About, Refused, api } from "../api";
import { useWords } from "../i18n";
import { Notice, useTitle } from "../parts";
import { LanguageChoice } from "../shell/language";
import { ByProvider } from "./provider";

export function SignIn({ about }: { about: About }) {
  const words = useWords();
  const queries = useQueryClient();
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const [step, setStep] = useState<"password" | "code">("password");
  const turned = new URLSearchParams(window.location.search).get("sign-in");
  useTitle(words.signIn.title);
  // A session may have ended by itself, and whoever comes now may be another: what was fetched for one is not theirs.
  useEffect(() => {
    queries.removeQueries({ predicate: ({ queryKey: [what] }) => what !== "about" && what !== "session" });
  }, [queries]);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const username = String(form.get("username")).trim();
    const password = String(form.get("password"));
    if (!username || !password) {
      setError(words.signIn.missing);
      return;
    }
    const code = String(form.get("code") ?? "").trim();
    if (step === "code" && !code) {
      setError(words.access.codeMissing);
      return;
    }
    setBusy(true);
    try {
      const user = await api.signIn(username, password, code || null);
      if (turned) window.history.replaceState(null, "", "/");
      queries.setQueryData(["session"], user);
    } catch (refused) {
      setBusy(false);
      if (refused instanceof Refused && refused.needs === "code") {
        setError("");
        setStep("code");
        return;
      }
      if (step === "code" && refused instanceof Refused && refused.status === 401) {
        setError(words.access.codeWrong);
        return;
      }
      if (step === "code" && refused instanceof Refused && refused.status === 409) {
        setError(words.access.codeUnreadable);
        return;
      }
      setError(refused instanceof Refused && refused.status === 401 ? words.signIn.wrong : explain(refused, words));
    }
  };

  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <div className="brand">
          <img src="/icon.svg" alt="" width="40" height="40" />
          <span>
            Hjemvakt
            <small>{words.signIn.lead}</small>
          </span>
        </div>
        <h1>{words.signIn.title}</h1>
        <form onSubmit={(event) => void submit(event)} noValidate>
          <TextField
            label={words.signIn.username}
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
          />
          <TextField label={words.signIn.password} name="password" type="password" autoComplete="current-password" />
          {step === "code" && (
            <TextField
              label={words.access.code}
              description={words.access.codeWhat}
              name="code"
              autoComplete="one-time-code"
              autoFocus
            />
          )}
          {error && (
            <Notice>
              <p>{error}</p>
            </Notice>
          )}
          <Button type="submit" loading={busy}>
            {words.signIn.submit}
          </Button>
        </form>
        {about.provider && <ByProvider name={about.provider} turned={turned} />}
        {about.demo && <p className="hint">{words.signIn.demo}</p>}
      </div>
      <footer>
        <LanguageChoice />
        <p>{words.shell.notDevice}</p>
      </footer>
    </main>
  );
}
