#pragma once

#include "CoreMinimal.h"

class UAudioComponent;
class USceneComponent;
class USoundBase;

class UGameplayStatics : public UObject
{
public:
	static UAudioComponent* SpawnSoundAttached(USoundBase* Sound, USceneComponent* AttachToComponent, FName AttachPointName = FName());
};
