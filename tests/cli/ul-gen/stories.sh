# Real models of several types of numbers tell the stories that they should (SOURCES.md beside them).
for type in f32 f16 q8_0 q4_0; do
	real_model "tinystories-656k-gguf/tinystories-656k-$type.gguf"
done
story='Once upon a time, there was a little girl named Lily. She loved to eat yummy food. One day, she found a big, yummy fruit.'
for type in f32 f16 q8_0; do
	ul-gen -q --llm tinystories-656k-$type.gguf --prompt 'Once upon a time, ' --n-predict 60 --format text >said
	grep -qF "$story" said || { echo "$type: $(head -c 200 said)" >&2; exit 1; }
done
ul-gen -q --llm tinystories-656k-q4_0.gguf --prompt 'Once upon a time, ' --n-predict 60 --format text >said
grep -q 'Once upon a time, there was a little ' said || { echo "q4_0: $(head -c 200 said)" >&2; exit 1; }
