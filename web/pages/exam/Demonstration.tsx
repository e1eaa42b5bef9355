/** In place of an exam system's questions: something to read, copy and write, to see what is observed. */

export function Demonstration() {
  return (
    <section aria-labelledby="demonstration">
      <h2 id="demonstration">Demonstration</h2>
      <p class="notice">
        This is a sample question for trying this page out. What you write stays in this page: it is not sent, and is
        gone when the page is loaded again or closed.
      </p>
      <blockquote>
        In autumn a tree takes the green chlorophyll out of its leaves before it drops them. The yellow that was in them
        all along can then be seen, and in some trees a red that is made only now.
      </blockquote>
      <div class="field">
        <label for="answer">Why do leaves change their colour in autumn? Answer in two or three sentences.</label>
        <textarea id="answer" rows={10} autocomplete="off" />
      </div>
    </section>
  );
}
