"""What a label map holds beside class ids.

What a data set does not annotate it says nothing about, so a code stands for a set of classes:

    IGNORE 255           nothing is known
    REST 254             any class except those the sample's data set annotates
    SOME_INSTRUMENT 253  an instrument of unknown type
"""

IGNORE, REST, SOME_INSTRUMENT = 255, 254, 253
