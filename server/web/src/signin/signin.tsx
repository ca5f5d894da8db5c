/// The door: user name and password. What went wrong is said in words; nothing says which of the two was wrong.
import { Button, TextField } from "@navikt/ds-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { explain } from "../acts";
import { type About, Refused, api } from "../api";
import { useWords } from "../i18n";
import { Notice, useTitle } from "../parts";
import { LanguageChoice } from "../shell/language";

export function SignIn({ about }: { about: About }) {
  const words = useWords();
  const queries = useQueryClient();
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  useTitle(words.signIn.title);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const username = String(form.get("username")).trim();
    const password = String(form.get("password"));
    if (!username || !password) {
      setError(words.signIn.missing);
      return;
    }
    setBusy(true);
    try {
      queries.setQueryData(["session"], await api.signIn(username, password));
    } catch (refused) {
      setError(refused instanceof Refused && refused.status === 401 ? words.signIn.wrong : explain(refused, words));
      setBusy(false);
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
          {error && (
            <Notice>
              <p>{error}</p>
            </Notice>
          )}
          <Button type="submit" loading={busy}>
            {words.signIn.submit}
          </Button>
        </form>
        {about.demo && <p className="hint">{words.signIn.demo}</p>}
      </div>
      <footer>
        <LanguageChoice />
        <p>{words.shell.notDevice}</p>
      </footer>
    </main>
  );
}
