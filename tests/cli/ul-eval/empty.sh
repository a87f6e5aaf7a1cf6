ul-eval </dev/null
